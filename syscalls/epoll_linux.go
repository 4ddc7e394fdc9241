package syscalls

import (
	"math"
	"sync/atomic"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// EpollEvent is the kernel's struct epoll_event, laid out as on this machine.
// Its 64 bits of user data are split over Fd and Pad; [Token] joins them.
type EpollEvent = unix.EpollEvent

// Bits of [EpollEvent].Events and of the events argument of [EpollAdd]
// (epoll_ctl(2)). The kernel reports EpollErr and EpollHup unasked.
const (
	EpollIn      uint32 = unix.EPOLLIN
	EpollOut     uint32 = unix.EPOLLOUT
	EpollRDHup   uint32 = unix.EPOLLRDHUP
	EpollErr     uint32 = unix.EPOLLERR
	EpollHup     uint32 = unix.EPOLLHUP
	EpollEdge    uint32 = unix.EPOLLET
	EpollOneShot uint32 = unix.EPOLLONESHOT
)

// EpollCreate returns a new epoll descriptor, closed on exec. The caller owns it.
func EpollCreate() (int, error) { return unix.EpollCreate1(unix.EPOLL_CLOEXEC) }

// EpollAdd registers fd for events, level-triggered unless [EpollEdge] is among
// them. token comes back with each event. An fd already there is unix.EEXIST.
func EpollAdd(epfd, fd int, events uint32, token uint64) error {
	ev := newEvent(events, token)
	return unix.EpollCtl(epfd, unix.EPOLL_CTL_ADD, fd, &ev)
}

// EpollMod replaces events and token of a registered fd. An fd that is not
// there is unix.ENOENT.
func EpollMod(epfd, fd int, events uint32, token uint64) error {
	ev := newEvent(events, token)
	return unix.EpollCtl(epfd, unix.EPOLL_CTL_MOD, fd, &ev)
}

// EpollDel removes fd. Closing the last descriptor of a socket does so too, but
// while a duplicate is open the registration of a closed fd lives on and
// nothing can remove it: delete first, then close.
func EpollDel(epfd, fd int) error {
	return unix.EpollCtl(epfd, unix.EPOLL_CTL_DEL, fd, nil)
}

// EpollPoll fetches what is ready now, up to len(events), and never sleeps.
// It bypasses the scheduler where [Raw] is true. events is borrowed until
// return and must not be empty (unix.EINVAL).
func EpollPoll(epfd int, events []EpollEvent) (int, error) {
	return epollResult(epollPoll(epfd, events))
}

// EpollWait sleeps until something is ready or timeoutMillis have passed;
// negative is for ever, zero does not sleep. The scheduler knows of the sleep.
// A signal ends it early, with 0 and nil. events is borrowed until return and
// must not be empty (unix.EINVAL).
func EpollWait(epfd int, events []EpollEvent, timeoutMillis int) (int, error) {
	return epollResult(unix.EpollWait(epfd, events, timeoutMillis))
}

// noPwait2 is set once the kernel has refused epoll_pwait2 (Linux before 5.11,
// or a sandbox that filters it). Atomic; never cleared.
var noPwait2 atomic.Bool

// EpollWaitFor is [EpollWait] with the kernel's timer resolution instead of
// milliseconds (epoll_pwait2). Where that call is missing the timeout is
// rounded up to whole milliseconds. Negative is for ever, zero does not sleep.
func EpollWaitFor(epfd int, events []EpollEvent, d time.Duration) (int, error) {
	switch {
	case d < 0:
		return EpollWait(epfd, events, -1)
	case d == 0:
		return EpollPoll(epfd, events)
	case noPwait2.Load():
		return EpollWait(epfd, events, waitMillis(d))
	}
	n, err := epollPwait2(epfd, events, d)
	if err == unix.ENOSYS || err == unix.EPERM {
		noPwait2.Store(true)
		return EpollWait(epfd, events, waitMillis(d))
	}
	return epollResult(n, err)
}

// kernelTimespec is struct __kernel_timespec: 64 bits each on every machine,
// unlike unix.Timespec.
type kernelTimespec struct{ sec, nsec int64 }

func epollPwait2(epfd int, events []EpollEvent, d time.Duration) (int, error) {
	ts := kernelTimespec{sec: int64(d / time.Second), nsec: int64(d % time.Second)}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)),
		uintptr(unsafe.Pointer(&ts)), 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// waitMillis rounds a positive d up to milliseconds, stopping at the largest
// timeout that epoll_wait takes. Down would make a loop spin the last one.
func waitMillis(d time.Duration) int {
	ms, ok := roundUp(d, time.Millisecond)
	if !ok {
		return math.MaxInt32
	}
	return ms
}

// epollResult makes an interrupted wait one that found nothing.
func epollResult(n int, err error) (int, error) {
	switch err {
	case nil:
		return n, nil
	case unix.EINTR:
		return 0, nil
	}
	return 0, err
}

// Token returns the token under which the descriptor of ev was registered.
func Token(ev *EpollEvent) uint64 {
	return uint64(uint32(ev.Fd)) | uint64(uint32(ev.Pad))<<32
}

func newEvent(events uint32, token uint64) EpollEvent {
	return EpollEvent{Events: events, Fd: int32(uint32(token)), Pad: int32(uint32(token >> 32))}
}
