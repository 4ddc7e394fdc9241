package loop

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// streamTLS is the TLS of a Stream: crypto/tls reads and writes the stream's bytes through it, on the goroutines of the stream's callers, who may wait.
type streamTLS struct {
	conn *tls.Conn
	s    *Stream

	reading sync.Mutex // held by the one reader of plaintext
	sending sync.Mutex // and by the one writer

	readBy  atomic.Int64 // deadline of the reader's call
	writeBy atomic.Int64 // deadline of the writer's call
	cut     atomic.Bool  // the peer's end came without a word of TLS
	ending  atomic.Bool  // Close: what the socket does not take at once is not worth waiting for
}

// starvedTimeout is a deadline as crypto/tls has to see it to keep the connection readable afterwards: see starved.
type starvedTimeout struct{ starved }

func (starvedTimeout) Timeout() bool { return true }
func (starvedTimeout) Is(err error) bool {
	return err == os.ErrDeadlineExceeded || err == context.DeadlineExceeded
}

var errStarvedTimeout net.Error = starvedTimeout{}

// secure does the handshake of a stream, on the calling goroutine.
func (e *Engine) secure(ctx context.Context, s *Stream, cfg *tls.Config) error {
	if err := e.tls.acquire(ctx); err != nil {
		return &HandshakeError{ServerName: serverName(s.addr), Err: err}
	}
	defer e.tls.release()
	prepared := e.tls.prepare(cfg, serverName(s.addr))
	t := &streamTLS{s: s}
	t.readBy.Store(never)
	t.writeBy.Store(never)
	t.conn = tls.Client(t, prepared)
	unwatch := context.AfterFunc(ctx, func() { _ = s.SetDeadline(longAgo) })
	err := t.conn.Handshake()
	if !unwatch() && err == nil {
		err = contextError(ctx) // the deadline that has been set would stay
	}
	if err == nil {
		s.tls = t
		return nil
	}
	if cause := contextError(ctx); cause != nil {
		err = cause
	}
	return &HandshakeError{ServerName: prepared.ServerName, Err: err}
}

// read is Stream.read for plaintext.
func (t *streamTLS) read(p []byte, need int, by int64) (n int, err error) {
	t.reading.Lock()
	defer t.reading.Unlock()
	t.readBy.Store(by)
	for n < need && err == nil {
		var m int
		m, err = t.conn.Read(p[n:])
		n += m
	}
	switch {
	case err == nil || n >= need:
		return n, nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, errTimeout
	case errors.Is(err, io.EOF) && t.cut.Load():
		return n, &TruncatedError{}
	case errors.Is(err, io.EOF), errors.Is(err, net.ErrClosed), t.s.Err() != nil:
		return n, err
	default:
		return n, &TLSError{Err: err}
	}
}

// write is Stream.write for plaintext. After an error part of a record may have left: nothing more can be sent.
func (t *streamTLS) write(p []byte, by int64) (int, error) {
	t.sending.Lock()
	defer t.sending.Unlock()
	t.writeBy.Store(by)
	n, err := t.conn.Write(p)
	t.writeBy.Store(never) // an answer to a key update, which a read may have to write, is no part of this call
	if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
		err = errTimeout
	}
	return n, err
}

// close says close_notify, as far as the socket takes it at once.
func (t *streamTLS) close() {
	t.ending.Store(true)
	_ = t.conn.CloseWrite()
}

// Read implements net.Conn for crypto/tls.
func (t *streamTLS) Read(p []byte) (int, error) {
	n, err := t.s.read(p, min(1, len(p)), t.readBy.Load())
	switch {
	case err == nil:
	case errors.Is(err, errTimeout):
		err = errStarvedTimeout
	case errors.Is(err, io.EOF):
		t.cut.Store(true)
	}
	return n, err
}

// Write implements net.Conn for crypto/tls.
func (t *streamTLS) Write(p []byte) (int, error) {
	if t.ending.Load() {
		return t.s.sock.write(p, nil)
	}
	return t.s.write(p, t.writeBy.Load())
}

// The rest of net.Conn, for crypto/tls, which is never closed and has its deadlines from the stream.
func (t *streamTLS) Close() error                     { return nil }
func (t *streamTLS) LocalAddr() net.Addr              { return nil }
func (t *streamTLS) RemoteAddr() net.Addr             { return nil }
func (t *streamTLS) SetDeadline(time.Time) error      { return nil }
func (t *streamTLS) SetReadDeadline(time.Time) error  { return nil }
func (t *streamTLS) SetWriteDeadline(time.Time) error { return nil }
