//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import (
	"errors"

	"golang.org/x/sys/unix"
)

// iovMax is the number of buffers that one call takes: IOV_MAX, 1024 on Linux
// (UIO_MAXIOV in include/uapi/linux/uio.h), on darwin and on the BSDs.
const iovMax = 1024

// Read reads what has arrived on the stream socket fd, up to len(b) bytes,
// and never waits: with nothing there it returns unix.EAGAIN, see [IsRetry].
// 0 and nil is the end of the stream, unless b is empty: then nothing is
// asked of the kernel. An interrupted call is repeated.
// fd must be non-blocking. b is borrowed until return.
// Errors are plain errno values. Safe for concurrent use.
func Read(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, err := recv(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Write hands b to the stream socket fd, as far as the socket's buffer has
// room, and never waits. It returns how many bytes went: fewer than len(b)
// with a nil error is a partial write, the rest is the caller's to keep. With
// no room at all it returns 0 and unix.EAGAIN, see [IsRetry]. An interrupted
// call is repeated.
//
// A connection that the peer has reset gives unix.EPIPE or unix.ECONNRESET
// and no SIGPIPE; on darwin that takes [SetNoSigpipe] on the socket before.
// fd must be non-blocking. b is borrowed until return.
// Errors are plain errno values. Safe for concurrent use; concurrent writes
// to one stream interleave.
func Write(fd int, b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for {
		n, err := send(fd, b)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// Writev is [Write] for several buffers at once. Of more than 1024 buffers,
// counted from the first that is not empty, it writes the first 1024 at most:
// that looks like any other partial write. The count may end in the middle of
// a buffer. bufs and its buffers are borrowed until return and not changed.
// Where [Raw] is true it allocates nothing: up to 64 buffers are described on
// the stack, more of them in a pooled array, which only the first call, or one
// after a garbage collection, has to make.
func Writev(fd int, bufs [][]byte) (int, error) {
	for len(bufs) > 0 && len(bufs[0]) == 0 {
		bufs = bufs[1:]
	}
	switch {
	case len(bufs) == 0:
		return 0, nil
	case len(bufs) == 1:
		return Write(fd, bufs[0])
	case len(bufs) > iovMax:
		bufs = bufs[:iovMax]
	}
	for {
		n, err := sendv(fd, bufs)
		if err != unix.EINTR {
			return n, err
		}
	}
}

// IsRetry reports whether err says that a call would have had to wait:
// EAGAIN, which is EWOULDBLOCK on every platform here, wrapped or not.
func IsRetry(err error) bool {
	return err == unix.EAGAIN || err != nil && errors.Is(err, unix.EAGAIN)
}
