package loop

import (
	"errors"
	"net"
	"sync"
	"time"

	"kafkaio/syscalls"
)

const (
	// streamPauseBytes is how many unread bytes make a stream stop reading its socket, and streamResumeBytes how few make it go on:
	// a reader that is slow holds back its peer through TCP, not memory here. (Guessed: a few socket buffers.)
	streamPauseBytes  = 256 << 10
	streamResumeBytes = 64 << 10
)

// Stream is a connection of bytes. Safe for concurrent use; concurrent reads take turns, and so do writes.
//
// An idle Stream owns no goroutine and no buffer: a reader that waits gets the bytes put into its slice by the loop, and only what nobody waits
// for is buffered.
type Stream struct {
	// Immutable after Dial.
	engine *Engine
	addr   string
	to     string // what it is connected to: addr, or DialConfig.ConnectTo
	owner  Owner  // DialConfig.Owner; nil: nobody
	reg    registration
	budget time.Duration // DialConfig.BusyPoll

	polling *polling   // set by onOpen
	tls     *streamTLS // nil in plaintext; set before DialStream returns
	sock    socket

	reading sync.Mutex // held by the one reader
	sending sync.Mutex // held by the one writer

	// mu guards all below.
	mu       sync.Mutex
	buf      []byte // bytes that nobody has read yet: buf[off:]
	off      int
	into     []byte // the waiting reader's slice, nil while none waits
	got      int    // bytes that the loop has put into it
	need     int    // bytes that end the wait
	wake     chan struct{}
	paused   bool
	end      error // why no more bytes will come
	asked    bool  // the loop has been asked for the end
	closed   chan struct{}
	ended    bool
	timer    *time.Timer
	timerAt  int64
	readBy   int64 // SetReadDeadline
	writeBy  int64 // SetWriteDeadline
	writer   stall // the stalled writer, if stalling
	stalling bool
	callBy   int64 // the deadline of the stalled writer's call
}

func newStream(e *Engine, addr string, budget time.Duration) *Stream {
	s := &Stream{budget: budget, engine: e, addr: addr, timerAt: never, readBy: never, writeBy: never}
	s.wake = make(chan struct{}, 1)
	s.sock.fd = -1
	return s
}

// Addr is the peer as it was given to DialStream.
func (s *Stream) Addr() string { return s.addr }

// LocalAddr is the address of this end.
func (s *Stream) LocalAddr() net.Addr {
	local, _ := s.reg.addrs()
	return local
}

// RemoteAddr is the address of the peer's end.
func (s *Stream) RemoteAddr() net.Addr {
	return remoteAddr(s.to, s.reg)
}

// ConnectedTo is the address that was connected to: Addr, or DialConfig.ConnectTo.
func (s *Stream) ConnectedTo() string { return s.to }

func (s *Stream) onOpen(r registration, fd int) {
	s.reg = r
	s.polling = r.polling(s.budget)
	s.sock.attach(fd)
}

// direct implements sink: a waiting reader may give up, and its slice with it, at any time, so that nothing is read straight into it.
func (s *Stream) direct() []byte { return nil }

// filled implements sink; never called.
func (s *Stream) filled(int) bool { return false }

func (s *Stream) onMoved(fd int) { s.sock.attach(fd) }

func (s *Stream) onData(b []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked {
		return true // closing: nobody reads any more
	}
	if s.into != nil {
		n := copy(s.into[s.got:], b)
		s.got += n
		b = b[n:]
		if s.got >= s.need {
			s.wakeLocked()
		}
	}
	if len(b) == 0 {
		return true
	}
	if s.off > 0 {
		s.buf = append(s.buf[:0], s.buf[s.off:]...)
		s.off = 0
	}
	s.buf = append(s.buf, b...)
	if len(s.buf) >= streamPauseBytes && !s.paused {
		s.paused = s.reg.pause()
	}
	return true
}

func (s *Stream) onClose(err error) {
	s.mu.Lock()
	if s.end == nil {
		switch {
		case err != nil:
			s.end = err
		case s.asked:
			s.end = ErrClosed
		default:
			s.end = ErrStopped
		}
	}
	s.mu.Unlock()
	s.sock.detach()   // wakes a stalled writer, which tells the reason for the end: it has to stand by now
	s.engine.forget() // before Close returns, whose caller may count
	s.mu.Lock()
	s.ended = true
	if s.closed != nil {
		close(s.closed)
	}
	if s.timer != nil {
		s.timer.Stop()
	}
	s.wakeLocked()
	cause := s.end
	if s.asked {
		cause = ErrClosed
	}
	s.mu.Unlock()
	if s.owner != nil {
		s.owner.OnEnd(cause)
	}
}

func (s *Stream) wakeLocked() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// Read waits for the first byte and returns what is there, up to len(p). It ends with io.EOF after the peer's end and after all bytes were read,
// with ErrClosed after Close, with a timeout after the deadline of SetReadDeadline.
func (s *Stream) Read(p []byte) (int, error) { return s.readPlain(p, min(1, len(p)), never) }

// ReadFull waits for len(p) bytes, at most for timeout; 0 is no timeout. Fewer bytes come with the error that ended the wait: io.EOF also after some bytes.
func (s *Stream) ReadFull(p []byte, timeout time.Duration) (int, error) {
	return s.readPlain(p, len(p), deadlineIn(timeout))
}

// ReadSome waits for the first byte, at most for timeout, and returns what is there.
func (s *Stream) ReadSome(p []byte, timeout time.Duration) (int, error) {
	return s.readPlain(p, min(1, len(p)), deadlineIn(timeout))
}

func deadlineIn(timeout time.Duration) int64 {
	if timeout <= 0 {
		return never
	}
	return after(timeout)
}

// readPlain is read, through TLS where there is one.
func (s *Stream) readPlain(p []byte, need int, by int64) (int, error) {
	if s.tls != nil {
		return s.tls.read(p, need, by)
	}
	return s.read(p, need, by)
}

func (s *Stream) read(p []byte, need int, by int64) (int, error) {
	s.reading.Lock()
	defer s.reading.Unlock()

	s.mu.Lock()
	if s.asked {
		s.mu.Unlock()
		return 0, ErrClosed
	}
	if d := min(by, s.readBy); d != never && d <= now() {
		s.mu.Unlock()
		return 0, errTimeout
	}
	n := copy(p, s.buf[s.off:])
	s.off += n
	if s.off == len(s.buf) {
		s.buf, s.off = nil, 0
	}
	resume := s.paused && len(s.buf)-s.off <= streamResumeBytes && s.end == nil
	if resume {
		s.paused = false
	}
	if n >= need || s.end != nil {
		var err error
		if n < need || need == 0 && n == 0 && s.end != nil && len(p) > 0 {
			err = s.end
		}
		s.mu.Unlock()
		if resume {
			s.reg.resume()
		}
		return n, err
	}
	// The loop puts what comes next straight into p.
	s.into, s.got, s.need = p, n, need
	s.mu.Unlock()
	if resume {
		s.reg.resume()
	}
	s.polling.set(true)
	defer s.polling.set(false)
	return s.wait(by)
}

// wait ends when the loop has filled the reader's slice, the deadline has passed, or no more bytes will come.
func (s *Stream) wait(by int64) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		var err error
		switch d := min(by, s.readBy); {
		case s.got >= s.need:
		case s.asked:
			err = ErrClosed
		case s.end != nil:
			err = s.end
		case d != never && d <= now():
			err = errTimeout
		default:
			s.armLocked(d)
			s.mu.Unlock()
			<-s.wake
			s.mu.Lock()
			continue
		}
		n := s.got
		s.into = nil
		select { // a signal left over would only cost the next reader a look
		case <-s.wake:
		default:
		}
		return n, err
	}
}

// armLocked sees to it that the reader is woken no later than deadline.
func (s *Stream) armLocked(deadline int64) {
	if deadline >= s.timerAt {
		return
	}
	s.timerAt = deadline
	d := time.Duration(deadline - now())
	if s.timer == nil {
		s.timer = time.AfterFunc(d, s.onTimer)
		return
	}
	s.timer.Reset(d)
}

// onTimer wakes the reader to look at its deadline. Run by the runtime on a goroutine of its own.
func (s *Stream) onTimer() {
	s.mu.Lock()
	s.timerAt = never
	s.wakeLocked()
	s.mu.Unlock()
}

// SetDeadline sets both deadlines, of reads and of writes; the zero time takes them away. It ends waits in progress as well.
func (s *Stream) SetDeadline(t time.Time) error {
	if err := s.SetReadDeadline(t); err != nil {
		return err
	}
	return s.SetWriteDeadline(t)
}

// SetReadDeadline bounds reads, those in progress included; the zero time takes the bound away. It fails after Close only: after the peer's end there
// may be bytes to read.
func (s *Stream) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked {
		return ErrClosed
	}
	s.readBy = instant(t)
	s.wakeLocked() // a reader that waits looks at its deadline anew
	return nil
}

// SetWriteDeadline bounds writes, those in progress included; the zero time takes the bound away. It fails after Close only.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked {
		return ErrClosed
	}
	s.writeBy = instant(t)
	if s.stalling {
		s.boundWriterLocked()
	}
	return nil
}

// Buffered is the number of bytes that a read would get without waiting.
func (s *Stream) Buffered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.buf) - s.off
}

// Alive reports whether the connection is open at both ends, as far as this end can know: closed by neither side, no FIN or reset received.
func (s *Stream) Alive() bool {
	s.mu.Lock()
	over := s.asked || s.end != nil
	s.mu.Unlock()
	if over {
		return false
	}
	gone := false
	err := s.sock.control(func(fd int) (err error) {
		gone, err = syscalls.PeerClosed(fd)
		return err
	})
	return !gone && (err == nil || errors.Is(err, errors.ErrUnsupported))
}

// Done is closed when the connection has ended.
func (s *Stream) Done() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed == nil {
		s.closed = make(chan struct{})
		if s.ended {
			close(s.closed)
		}
	}
	return s.closed
}

// Err is why no more bytes will come, nil while they may.
func (s *Stream) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.asked {
		return ErrClosed
	}
	return s.end
}

// Close ends the connection: reads and writes in progress return ErrClosed, unread bytes are dropped. It is idempotent and returns when
// everything is gone, except on a loop's goroutine, where it only begins the end.
func (s *Stream) Close() error {
	s.mu.Lock()
	ask := !s.asked && !s.ended
	s.asked = true
	s.buf, s.off = nil, 0
	s.wakeLocked()
	polite := s.tls != nil && !s.stalling // a stalled writer is inside a record: what would follow it is noise, and would wait for it
	if s.ended {
		s.mu.Unlock()
		return nil
	}
	if s.closed == nil {
		s.closed = make(chan struct{})
	}
	gone := s.closed
	s.mu.Unlock()
	if ask {
		if polite {
			s.tls.close()
		}
		s.reg.close()
	}
	if !s.engine.onLoop() {
		<-gone
	}
	return nil
}
