//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import (
	"math"
	"time"

	"golang.org/x/sys/unix"
)

// SetNoDelay turns TCP_NODELAY on or off. On, a small write leaves at once
// even while earlier bytes are unacknowledged.
func SetNoDelay(fd int, on bool) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, boolInt(on))
}

// SetReadBuffer sets SO_RCVBUF, in bytes, and with it ends the automatic
// sizing. Linux doubles the number for its bookkeeping and silently stops at
// net.core.rmem_max.
func SetReadBuffer(fd, bytes int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, bytes)
}

// SetWriteBuffer sets SO_SNDBUF, in bytes, and with it ends the automatic
// sizing. Linux doubles the number for its bookkeeping and silently stops at
// net.core.wmem_max.
func SetWriteBuffer(fd, bytes int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, bytes)
}

// SetKeepAlive turns TCP keepalive on: after idle without traffic a probe, then
// one each interval, and after count unanswered ones the connection fails with
// ETIMEDOUT. Durations are rounded up to whole seconds, which is all that
// kernels know; zero leaves that one at the system's value, and a negative
// one is unix.EINVAL. Linux accepts up to 32767 s and a count of 127.
//
// SO_KEEPALIVE is set last, so an error leaves keepalive as it was, on or off.
// OpenBSD has no values of a socket's own: anything but zeros fails there with
// an error that matches [errors.ErrUnsupported].
func SetKeepAlive(fd int, idle, interval time.Duration, count int) error {
	if idle < 0 || interval < 0 || count < 0 {
		return unix.EINVAL
	}
	if err := setKeepAliveTimes(fd, idle, interval, count); err != nil {
		return err
	}
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1)
}

// DisableKeepAlive turns TCP keepalive off.
func DisableKeepAlive(fd int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0)
}

func boolInt(on bool) int {
	if on {
		return 1
	}
	return 0
}

// roundUp returns how many units d takes, rounded up, and false if d is
// negative or the number does not fit the int of a socket option.
func roundUp(d, unit time.Duration) (int, bool) {
	if d < 0 {
		return 0, false
	}
	n := d / unit
	if d%unit != 0 {
		n++
	}
	return int(n), n <= math.MaxInt32
}
