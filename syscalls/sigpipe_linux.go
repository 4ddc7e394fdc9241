package syscalls

// SetNoSigpipe does nothing here: [Write] never raises SIGPIPE, since it
// passes MSG_NOSIGNAL. It exists for darwin, which needs it.
func SetNoSigpipe(fd int) error { return nil }
