package syscalls

// FileLimits are the limits on open descriptors of the process: Soft is in
// force, Hard is how far it may raise Soft. No limit is the largest uint64.
type FileLimits struct {
	Soft, Hard uint64
}
