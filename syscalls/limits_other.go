//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package syscalls

// GetFileLimits is not supported here.
func GetFileLimits() (FileLimits, error) { return FileLimits{}, unsupported("RLIMIT_NOFILE") }

// RaiseFileLimit is not supported here.
func RaiseFileLimit(want uint64) (FileLimits, error) {
	return FileLimits{}, unsupported("RLIMIT_NOFILE")
}

// LocalPortRange is not supported here.
func LocalPortRange() (lo, hi int, err error) { return 0, 0, unsupported("local port range") }
