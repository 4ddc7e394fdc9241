package syscalls

import (
	"time"

	"golang.org/x/sys/unix"
)

// SetQuickAck turns TCP_QUICKACK on or off: acknowledge at once, or delay. The
// kernel goes back to its own judgement soon, so this holds for the exchange
// at hand, not for the connection (tcp(7)).
func SetQuickAck(fd int, on bool) error {
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK, boolInt(on))
}

// SetUserTimeout sets TCP_USER_TIMEOUT: how long sent bytes may stay
// unacknowledged before the connection fails with ETIMEDOUT. It is rounded up
// to whole milliseconds; 0 is the kernel's default, some 15 minutes of
// retransmissions. A negative duration, or one past 24 days, is unix.EINVAL.
func SetUserTimeout(fd int, d time.Duration) error {
	ms, ok := roundUp(d, time.Millisecond)
	if !ok {
		return unix.EINVAL
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, ms)
}

// QueuedOut returns how many bytes written to fd the peer has not acknowledged
// yet, sent or not (SIOCOUTQ, tcp(7)).
func QueuedOut(fd int) (int, error) { return unix.IoctlGetInt(fd, unix.SIOCOUTQ) }

// SetReadLowWater sets SO_RCVLOWAT: poll, select and epoll do not report fd readable before so many bytes are there, or its end or an error. The
// kernel enlarges the receive buffer to twice as much where it may, and caps the value where it may not (tcp_set_rcvlowat). 1 is the default.
func SetReadLowWater(fd, bytes int) error {
	return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVLOWAT, bytes)
}
