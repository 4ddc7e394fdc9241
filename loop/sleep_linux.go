package loop

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"kafkaio/syscalls"
)

// sleeper puts a loop to sleep until its epoll descriptor has events. A descriptor that tells of them is itself registered with Go's poller, so that the
// loop's goroutine parks like any that reads a socket: no thread is blocked in a system call, no P is held or handed over, and the way back is the
// scheduler's own (DESIGN.md, "Sleeping").
type sleeper struct {
	epfd   int
	door   int  // an epoll descriptor with nothing but epfd in it: Go's poller hears of events through it
	hushed bool // the door is closed
	file   *os.File
	rc     syscall.RawConn
	events []syscalls.EpollEvent
	n      int
	look   func(fd uintptr) bool
}

// doorToken is the token of the loop's descriptor in the door; nobody reads it.
const doorToken = noToken

// init takes over the descriptor, also when it fails.
func (s *sleeper) init(epfd int) error {
	door, err := syscalls.EpollCreate()
	if err != nil {
		_ = syscalls.Close(epfd)
		return os.NewSyscallError("epoll_create1", err)
	}
	if err := syscalls.EpollAdd(door, epfd, syscalls.EpollIn, doorToken); err != nil {
		_ = syscalls.Close(door)
		_ = syscalls.Close(epfd)
		return os.NewSyscallError("epoll_ctl", err)
	}
	s.epfd, s.door = epfd, door
	s.look = func(uintptr) bool {
		s.n, _ = syscalls.EpollPoll(s.epfd, s.events)
		return s.n > 0
	}
	if s.file, s.rc, err = parkable(door, "epoll"); err != nil {
		_ = syscalls.Close(epfd)
	}
	return err
}

// parkable registers a descriptor with Go's poller. It takes it over, also when it fails.
func parkable(fd int, name string) (*os.File, syscall.RawConn, error) {
	nonblock := syscall.SetNonblock(fd, true) // NewFile's condition for its poller
	file := os.NewFile(uintptr(fd), name)
	if nonblock != nil {
		_ = file.Close()
		return nil, nil, os.NewSyscallError("fcntl", nonblock)
	}
	if err := file.SetReadDeadline(time.Time{}); err != nil {
		_ = file.Close()
		return nil, nil, fmt.Errorf("the runtime does not poll a descriptor of kind %s: %w", name, err)
	}
	rc, err := file.SyscallConn()
	if err != nil {
		_ = file.Close()
	}
	return file, rc, err
}

// wait returns when there are events.
func (s *sleeper) wait(events []syscalls.EpollEvent) int {
	if s.hushed {
		s.listen(syscalls.EpollIn) // before the look: what comes later is told
		s.hushed = false
	}
	s.events = events
	if err := s.rc.Read(s.look); err != nil {
		panic(fmt.Sprintf("loop: waiting for events: %v", err)) // the descriptor is ours: only a bug closes it
	}
	return s.n
}

// hush keeps events from Go's poller until the next wait. While another thread waits there, each of them would wake it up, to find nobody to run.
func (s *sleeper) hush() {
	if !s.hushed {
		s.listen(0)
		s.hushed = true
	}
}

func (s *sleeper) listen(events uint32) {
	if err := syscalls.EpollMod(s.door, s.epfd, events, doorToken); err != nil {
		panic(fmt.Sprintf("loop: epoll_ctl: %v", err)) // the descriptors are ours: only a bug closes one
	}
}

func (s *sleeper) close() {
	_ = s.file.Close()
	_ = syscalls.Close(s.epfd)
}
