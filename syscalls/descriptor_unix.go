//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import "golang.org/x/sys/unix"

// Dup returns a new descriptor, closed on exec, for what fd refers to. Both
// share file position and flags; the socket lives until both are closed.
func Dup(fd int) (int, error) {
	for {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return -1, err
		}
		return dup, nil
	}
}

// Close closes fd. An interrupted close counts as done and is not repeated:
// Linux frees the number before anything in close can wait (close(2), "Dealing
// with error returns from close()"). By the time of a second call another
// goroutine may own the number, and would lose its file. For darwin and the
// BSDs POSIX leaves it open, and a leak is the lesser evil.
func Close(fd int) error {
	if err := unix.Close(fd); err != unix.EINTR {
		return err
	}
	return nil
}

// Shutdown ends both directions of a socket (SHUT_RDWR): the peer sees the end
// of the stream, and whoever waits on any descriptor of the socket wakes.
// Unlike [Close] it acts on the connection even while a duplicate is open.
// A socket without a peer gives unix.ENOTCONN.
func Shutdown(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }

// ShutdownWrite ends the outgoing direction only (SHUT_WR).
func ShutdownWrite(fd int) error { return unix.Shutdown(fd, unix.SHUT_WR) }

// SocketError returns and clears the socket's pending error (SO_ERROR), nil
// when there is none. After a connect in progress it tells the outcome.
// A failure to ask, such as unix.EBADF, is returned the same way.
func SocketError(fd int) error {
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err != nil {
		return err
	}
	if code != 0 {
		return unix.Errno(code)
	}
	return nil
}
