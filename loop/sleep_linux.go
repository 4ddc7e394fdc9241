package loop

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"kafkaio/syscalls"
)

// sleeper puts a loop to sleep until its epoll descriptor has events. The descriptor is itself registered with Go's poller, so that the loop's
// goroutine parks like any that reads a socket: no thread is blocked in a system call, no P is held or handed over, and the way back is the
// scheduler's own (DESIGN.md, "Sleeping").
type sleeper struct {
	file   *os.File
	rc     syscall.RawConn
	events []syscalls.EpollEvent
	n      int
	look   func(fd uintptr) bool
}

// init takes over the descriptor, also when it fails.
func (s *sleeper) init(epfd int) error {
	nonblock := syscall.SetNonblock(epfd, true) // NewFile's condition for its poller
	s.file = os.NewFile(uintptr(epfd), "epoll")
	if nonblock != nil {
		_ = s.file.Close()
		return os.NewSyscallError("fcntl", nonblock)
	}
	if err := s.file.SetReadDeadline(time.Time{}); err != nil {
		_ = s.file.Close()
		return fmt.Errorf("the runtime does not poll an epoll descriptor: %w", err)
	}
	rc, err := s.file.SyscallConn()
	s.rc = rc
	s.look = func(fd uintptr) bool {
		s.n, _ = syscalls.EpollPoll(int(fd), s.events)
		return s.n > 0
	}
	return err
}

// wait returns when there are events.
func (s *sleeper) wait(events []syscalls.EpollEvent) int {
	s.events = events
	if err := s.rc.Read(s.look); err != nil {
		panic(fmt.Sprintf("loop: waiting for events: %v", err)) // the descriptor is ours: only a bug closes it
	}
	return s.n
}

func (s *sleeper) close() { _ = s.file.Close() }
