//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import (
	"time"

	"golang.org/x/sys/unix"
)

// WaitWritable sleeps in poll(2) until fd takes bytes, has failed, or timeout has passed, rounded up to milliseconds, and reports whether one of
// the first two happened. A timeout of 0 or less only looks. A signal ends the wait early. It holds an OS thread for as long.
func WaitWritable(fd int, timeout time.Duration) (bool, error) {
	ms := int((max(timeout, 0) + time.Millisecond - 1) / time.Millisecond)
	n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, ms)
	if err == unix.EINTR {
		return false, nil
	}
	return n > 0, err
}
