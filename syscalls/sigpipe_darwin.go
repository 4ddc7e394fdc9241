package syscalls

import "golang.org/x/sys/unix"

// sendFlags has no MSG_NOSIGNAL: only recent kernels of darwin know it.
// SetNoSigpipe works on all of them.
const sendFlags = unix.MSG_DONTWAIT

// SetNoSigpipe makes writes to fd after a reset return EPIPE without raising
// SIGPIPE (SO_NOSIGPIPE). Needed once a socket on darwin; elsewhere [Write]
// asks for that itself and this call does nothing, or, on windows, fails.
func SetNoSigpipe(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_NOSIGPIPE, 1)
}
