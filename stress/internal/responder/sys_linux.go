package responder

import (
	"errors"
	"time"
	"unsafe"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

// rawBytes is the size up to which a write is not announced to the Go
// scheduler: it cannot sleep, and is over before a hand-over would pay.
const rawBytes = 16 << 10

// writeNow writes what the socket takes without waiting. gone means that the
// connection is broken. It runs on c's loop, so c's descriptor is open.
func writeNow(c gnet.Conn, b []byte) (n int, gone bool) {
	if len(b) == 0 {
		return 0, false
	}
	if len(b) > rawBytes {
		n, err := unix.Write(c.Fd(), b)
		return max(n, 0), err != nil && !wouldBlock(err)
	}
	r, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(c.Fd()), uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)),
		unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, !wouldBlock(errno)
	}
	return int(r), false
}

func wouldBlock(err error) bool {
	return errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR)
}

// nap sleeps in the kernel: Go's own timers round up to a millisecond when
// nothing else runs.
func nap(d time.Duration) {
	if d <= 0 {
		return
	}
	ts := unix.NsecToTimespec(d.Nanoseconds())
	_ = unix.Nanosleep(&ts, nil) // cut short by a signal: the loop spins the rest
}
