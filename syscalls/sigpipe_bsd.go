//go:build dragonfly || freebsd || netbsd || openbsd

package syscalls

import "golang.org/x/sys/unix"

const sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

// SetNoSigpipe does nothing here: [Write] never raises SIGPIPE, since it
// passes MSG_NOSIGNAL. It exists for darwin, which needs it.
func SetNoSigpipe(fd int) error { return nil }
