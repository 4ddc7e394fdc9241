package loop

import (
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"kafkaio/syscalls"
)

// alarm parks a loop's goroutine for a time. Go's own timers end a millisecond late where no thread is awake (its poller waits in milliseconds), so this is a
// timer of the kernel's, a descriptor in Go's poller as sleeper's is.
type alarm struct {
	fd   int
	file *os.File
	rc   syscall.RawConn
	look func(fd uintptr) bool

	rung atomic.Bool

	// Of the wait that is on; owned by the loop.
	d     time.Duration
	armed bool
}

func (a *alarm) init() error {
	fd, err := syscalls.Timerfd()
	if err != nil {
		return os.NewSyscallError("timerfd_create", err)
	}
	a.fd = fd
	a.look = func(uintptr) bool {
		if a.armed {
			return true
		}
		a.armed = true
		// Not earlier: Read begins by forgetting what the poller has told before, and that would be the end of a short wait.
		err := syscalls.TimerfdArm(a.fd, a.d)
		return err != nil || a.rung.Load()
	}
	a.file, a.rc, err = parkable(fd, "timer")
	return err
}

// set begins a wait: from here on, ring ends it.
func (a *alarm) set(d time.Duration) {
	a.rung.Store(false)
	a.d, a.armed = d, false
}

// wait returns when the time that was set has passed since its call, or ring was called. It may return early for no reason.
func (a *alarm) wait() { _ = a.rc.Read(a.look) } // which fails only after close

// ring ends a wait, also one that has been set and has not begun. Any goroutine.
func (a *alarm) ring() {
	a.rung.Store(true)
	_ = syscalls.TimerfdArm(a.fd, 0)
}

func (a *alarm) close() { _ = a.file.Close() }

// rest lets answers gather for as long as the moderator says, deaf to sockets, and gives the events that are there afterwards; 0 if there
// was no rest. With look it rests only if no event is there already. Who posts a function ends a rest, and so does a request on a connection that
// does not allow as long a one.
func (l *epollLoop) rest(look bool) int {
	allowed := l.allowed()
	if allowed == 0 {
		return 0
	}
	t := now()
	d := l.moderator.rest(t, allowed)
	if d == 0 {
		return 0
	}
	if look {
		if n, _ := syscalls.EpollPoll(l.epfd, l.events[:]); n > 0 {
			l.clock = t
			return n
		}
	}
	l.sleep.hush()
	l.alarm.set(d)
	l.resting.Store(int64(d))
	l.sleeping.Store(true)
	if !l.waiting.Load() && !l.stopping.Load() && l.allowed() >= d {
		l.rests.Add(1)
		l.alarm.wait()
		l.rested = true
	}
	l.sleeping.Store(false)
	l.resting.Store(0)
	n, _ := syscalls.EpollPoll(l.epfd, l.events[:])
	if n == len(l.events) {
		l.moderator.full() // more are ready
	}
	l.clock = now()
	return n
}

// allowed is the longest rest that all allow on whose connections something is in flight; 0: none, or nothing is.
func (l *epollLoop) allowed() time.Duration {
	if l.spin.hurried() {
		return 0
	}
	return l.patients.least()
}

// keep implements pollingLoop.
func (l *epollLoop) keep(c *Conn) bool {
	if l.rested {
		l.kept = append(l.kept, c)
	}
	return l.rested
}

// flushKept lets those run whom the turn after a rest has answered, and writes what they ask next: one write a connection.
func (l *epollLoop) flushKept() {
	runtime.Gosched()
	for i, c := range l.kept {
		l.kept[i] = nil
		c.flush()
	}
	l.kept = l.kept[:0]
}

// answered implements pollingLoop.
func (l *epollLoop) answered(n int) int64 {
	l.moderator.answered(n)
	return l.clock
}
