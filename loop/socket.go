package loop

import (
	"os"
	"sync"
	"sync/atomic"
	"time"

	"kafkaio/syscalls"
)

// socket guards a descriptor's number. The loop closes the number only after detach, and detach waits for the write in progress,
// so a write can never hit a descriptor that the kernel has given to somebody else in the meantime.
type socket struct {
	mu   sync.Mutex
	fd   int      // -1 before attach and after detach
	file *os.File // a duplicate in Go's own poller, while a writer is stalled

	written atomic.Uint64 // bytes handed to the kernel, over all descriptors that this socket has had
}

// attach gives the socket its descriptor, or another one for the same connection.
func (s *socket) attach(fd int) {
	s.mu.Lock()
	s.fd = fd
	s.mu.Unlock()
}

// release takes the descriptor away without closing anything, for another socket to attach.
func (s *socket) release() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	fd := s.fd
	s.fd = -1
	return fd
}

// detach takes the descriptor away and wakes a stalled writer. Afterwards every write fails with ErrClosed.
func (s *socket) detach() {
	s.mu.Lock()
	s.fd = -1
	if s.file != nil {
		_ = s.file.Close()
	}
	s.mu.Unlock()
}

// write writes a, then b, until all is written or the kernel takes no more. n < len(a)+len(b) comes with an error: syscalls.IsRetry tells a full socket.
func (s *socket) write(a, b []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return 0, ErrClosed
	}
	for {
		var m int
		switch {
		case len(b) == 0:
			m, err = syscalls.Write(s.fd, a)
		case len(a) == 0:
			m, err = syscalls.Write(s.fd, b)
		default:
			m, err = syscalls.Writev(s.fd, [][]byte{a, b})
		}
		if m > 0 {
			s.written.Add(uint64(m))
			n += m
			if m >= len(a) {
				m -= len(a)
				a, b = b[m:], nil
			} else {
				a = a[m:]
			}
		}
		if err != nil || len(a)+len(b) == 0 {
			return n, err
		}
	}
}

// control runs f on the descriptor, or fails with ErrClosed. f must not block.
func (s *socket) control(f func(fd int) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return ErrClosed
	}
	return f(s.fd)
}

// stall is a stalled writer's hold on the socket: a duplicate descriptor in Go's poller, on which a goroutine can wait for room and which
// detach closes. One at a time.
type stall struct {
	s    *socket
	file *os.File // nil where no descriptor was left for the duplicate

	patience time.Duration // how long a wait may last that brings no room, then it ends with ErrStalled; 0 is for ever, and for who uses setDeadline
	excused  func() bool   // whether the peer is not to blame at the moment: patience then begins anew; nil with no patience
}

// stall begins to wait for room. It fails only with ErrClosed: without a free descriptor the wait goes on by poll(2) in small steps.
func (s *socket) stall() (stall, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fd < 0 {
		return stall{}, ErrClosed
	}
	dup, err := syscalls.Dup(s.fd)
	if err != nil {
		return stall{s: s}, nil //nolint:nilerr // poll(2) serves as the fallback
	}
	s.file = os.NewFile(uintptr(dup), "stalled")
	return stall{s: s, file: s.file}, nil
}

// release ends the stall.
func (w stall) release() {
	if w.file == nil {
		return
	}
	w.s.mu.Lock()
	_ = w.file.Close() // a second Close after detach's is harmless: os.File knows
	w.s.file = nil
	w.s.mu.Unlock()
}

// setDeadline bounds writeAll; the zero time takes the bound away. It may be called while writeAll runs. Not with patience, which needs it for itself.
func (w stall) setDeadline(t time.Time) {
	if w.file != nil {
		_ = w.file.SetWriteDeadline(t)
	}
}

// stallStep is how long a writer without a descriptor of its own sleeps in poll(2) before it looks whether the socket still exists.
const stallStep = 20 * time.Millisecond

// writeAll writes b, waiting for room as long as it takes. It ends early with ErrClosed, ErrStalled, the deadline's error, or the socket's.
func (w stall) writeAll(b []byte, deadline int64) (n int, err error) {
	if w.file == nil {
		return w.pollAll(b, deadline)
	}
	rc, err := w.file.SyscallConn()
	if err != nil {
		return 0, ErrClosed
	}
	var werr error
	write := func(fd uintptr) bool {
		for n < len(b) {
			m, err := syscalls.Write(int(fd), b[n:])
			if m > 0 {
				n += m
				w.s.written.Add(uint64(m))
				w.renew()
			}
			if syscalls.IsRetry(err) {
				return false
			}
			if err != nil {
				werr = err
				return true
			}
		}
		return true
	}
	for w.renew(); ; w.renew() {
		err = rc.Write(write)
		switch {
		case werr != nil:
			return n, werr
		case err == nil:
			return n, nil
		case !os.IsTimeout(err):
			return n, ErrClosed
		case w.patience <= 0:
			return n, errTimeout
		case !w.excused():
			return n, ErrStalled
		}
	}
}

// renew begins the patience anew.
func (w stall) renew() {
	if w.patience > 0 {
		w.setDeadline(time.Now().Add(w.patience))
	}
}

// pollAll is writeAll where no descriptor was left.
func (w stall) pollAll(b []byte, deadline int64) (n int, err error) {
	patient := after(w.patience)
	for n < len(b) {
		m, err := w.s.write(b[n:], nil)
		n += m
		if err == nil || !syscalls.IsRetry(err) {
			return n, err
		}
		if m > 0 {
			patient = after(w.patience)
		}
		if now() >= deadline {
			return n, errTimeout
		}
		if w.patience > 0 && now() >= patient {
			if !w.excused() {
				return n, ErrStalled
			}
			patient = after(w.patience)
		}
		w.s.mu.Lock()
		fd := w.s.fd
		w.s.mu.Unlock()
		if fd < 0 {
			return n, ErrClosed
		}
		// The number may be closed and given away while poll sleeps on it: that can only wake the poll early or late by one step,
		// for the next write looks at the number again under the lock.
		_, _ = syscalls.WaitWritable(fd, stallStep)
	}
	return n, nil
}
