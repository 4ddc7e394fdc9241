package loop

import (
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"kafkaio/syscalls"
)

// Write writes all of p, waiting for room in the socket. It ends early with the number of bytes written and ErrClosed, the socket's error, or a
// timeout after the deadline of SetWriteDeadline; the stream stays usable, but a peer sees a part of p.
func (s *Stream) Write(p []byte) (int, error) { return s.writePlain(p, never) }

// WriteFull is Write with a timeout of its own; 0 is none.
func (s *Stream) WriteFull(p []byte, timeout time.Duration) (int, error) {
	return s.writePlain(p, deadlineIn(timeout))
}

// writePlain is write, through TLS where there is one.
func (s *Stream) writePlain(p []byte, by int64) (int, error) {
	if s.tls != nil {
		return s.tls.write(p, by)
	}
	return s.write(p, by)
}

func (s *Stream) write(p []byte, by int64) (int, error) {
	s.sending.Lock()
	defer s.sending.Unlock()

	s.mu.Lock()
	d, asked := min(by, s.writeBy), s.asked
	s.mu.Unlock()
	if asked {
		return 0, ErrClosed
	}
	if d != never && d <= now() {
		return 0, errTimeout
	}
	n, err := s.sock.write(p, nil)
	if err == nil || !syscalls.IsRetry(err) {
		return n, s.writeError(err)
	}
	m, err := s.writeStalled(p[n:], by)
	return n + m, s.writeError(err)
}

// writeStalled waits for room on the calling goroutine.
func (s *Stream) writeStalled(p []byte, by int64) (int, error) {
	w, err := s.sock.stall()
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	if s.asked {
		s.mu.Unlock()
		w.release()
		return 0, ErrClosed
	}
	s.writer, s.stalling, s.callBy = w, true, by
	s.boundWriterLocked()
	d := min(by, s.writeBy)
	s.mu.Unlock()

	n, err := w.writeAll(p, d)

	s.mu.Lock()
	s.writer, s.stalling = stall{}, false
	s.mu.Unlock()
	w.release()
	return n, err
}

// boundWriterLocked gives the stalled writer the earlier of its own deadline and the stream's.
func (s *Stream) boundWriterLocked() {
	if d := min(s.callBy, s.writeBy); d == never {
		s.writer.setDeadline(time.Time{})
	} else {
		s.writer.setDeadline(epoch.Add(time.Duration(d)))
	}
}

// writeError prefers the reason for which the stream ended to what a write on it says.
func (s *Stream) writeError(err error) error {
	if err == nil || !errors.Is(err, net.ErrClosed) {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.asked || s.end == nil:
		return ErrClosed
	case errors.Is(s.end, io.EOF):
		return syscall.EPIPE
	default:
		return s.end
	}
}
