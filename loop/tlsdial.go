package loop

import (
	"context"
	"crypto/tls"
	"net"
	"runtime"
	"strings"
	"sync"
	"time"
)

// handshakesPerP is how many handshakes may be under way for each of GOMAXPROCS: one costs some milliseconds of CPU, and thousands at once would keep
// all of them from ever being in time. More than one each, because most of a handshake is waiting for the peer.
const handshakesPerP = 8

// tlsDialer bounds handshakes and keeps the configurations that connections share.
type tlsDialer struct {
	once  sync.Once
	slots chan struct{}

	mu     sync.Mutex // guards shared
	shared map[tlsKey]*tls.Config
}

// tlsKey is what a prepared configuration depends on.
type tlsKey struct {
	cfg  *tls.Config
	name string
}

// maxSharedTLS bounds the prepared configurations that are kept, and with them the caches of sessions.
const maxSharedTLS = 1024

// acquire waits for a place among the handshakes.
func (d *tlsDialer) acquire(ctx context.Context) error {
	d.once.Do(func() { d.slots = make(chan struct{}, handshakesPerP*runtime.GOMAXPROCS(0)) })
	select {
	case d.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	}
}

func (d *tlsDialer) release() { <-d.slots }

// prepare gives the configuration for a server: the caller's, with the server's name, without renegotiation (which a connection without a goroutine cannot
// wait for), with full records, and with a cache of sessions that all connections of the same configuration share.
func (d *tlsDialer) prepare(cfg *tls.Config, host string) *tls.Config {
	key := tlsKey{cfg, host}
	d.mu.Lock()
	defer d.mu.Unlock()
	if p, ok := d.shared[key]; ok {
		return p
	}
	p := cfg.Clone()
	if p.ServerName == "" {
		p.ServerName = host
	}
	p.Renegotiation = tls.RenegotiateNever
	p.DynamicRecordSizingDisabled = true
	if p.ClientSessionCache == nil && !p.SessionTicketsDisabled {
		p.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	if d.shared == nil || len(d.shared) >= maxSharedTLS {
		d.shared = make(map[tlsKey]*tls.Config)
	}
	d.shared[key] = p
	return p
}

// serverName is the host of an address, as certificates name it.
func serverName(addr string) string {
	if strings.HasPrefix(addr, UnixPrefix) {
		return "localhost"
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		host = addr
	}
	host, _, _ = strings.Cut(host, "%")
	return strings.TrimSuffix(host, ".")
}

// longAgo is a deadline that has passed.
var longAgo = time.Unix(1, 0)

// dialTLS is Dial over TLS: a handshake on the calling goroutine over a Stream, whose place on the loop the Conn then takes.
func (e *Engine) dialTLS(ctx context.Context, addr string, o opened, cfg *DialConfig) (*Conn, error) {
	if err := e.tls.acquire(ctx); err != nil {
		o.discard()
		return nil, &HandshakeError{ServerName: serverName(addr), Err: err}
	}
	s := newStream(e, addr, -1)
	if err := e.register(o, s); err != nil {
		e.tls.release()
		return nil, err
	}
	prepared := e.tls.prepare(cfg.TLS, serverName(addr))
	t := &tlsLayer{stream: s}
	t.conn = tls.Client(t, prepared)
	shaken := false
	defer func() {
		if !shaken { // refused, or a callback of the configuration has panicked
			_ = s.Close()
		}
	}()
	err := e.handshake(ctx, s, t.conn)
	shaken = err == nil
	if err != nil {
		if cause := contextError(ctx); cause != nil {
			err = cause
		}
		return nil, &HandshakeError{ServerName: prepared.ServerName, Err: err}
	}
	c := e.newConn(addr, cfg)
	c.tls = t
	t.sock = &c.sock
	moved, gone := make(chan bool, 1), s.Done()
	s.reg.post(func() { moved <- s.handOver(c) })
	select {
	case ok := <-moved:
		if ok {
			return c, nil
		}
	case <-gone:
	case <-ctx.Done():
		if s.giveUp() {
			return nil, &HandshakeError{ServerName: prepared.ServerName, Err: contextError(ctx)}
		}
		if <-moved { // too late: the loop has just done it
			return c, nil
		}
	}
	err = s.Err()
	_ = s.Close()
	return nil, &HandshakeError{ServerName: prepared.ServerName, Err: err}
}

// handshake runs a handshake, whose place it gives back, until ctx ends. A callback of the configuration may panic.
func (e *Engine) handshake(ctx context.Context, s *Stream, conn *tls.Conn) error {
	defer e.tls.release()
	unwatch := context.AfterFunc(ctx, func() { _ = s.SetDeadline(longAgo) })
	defer unwatch()
	return conn.Handshake()
}

// giveUp closes the stream without waiting for its loop, and reports false where handOver has come first.
func (s *Stream) giveUp() bool {
	s.mu.Lock()
	late := s.ended
	s.asked = true
	s.mu.Unlock()
	if late {
		return false
	}
	s.reg.close()
	return true
}

// handOver gives the stream's place on the loop to a Conn, with all that has arrived meanwhile. On the loop.
func (s *Stream) handOver(c *Conn) bool {
	s.mu.Lock()
	if s.ended || s.asked || s.paused {
		s.mu.Unlock()
		return false
	}
	rest := s.buf[s.off:]
	s.buf, s.off = nil, 0
	s.ended = true // for whoever still holds the stream
	s.end = ErrClosed
	if s.timer != nil {
		s.timer.Stop()
	}
	s.mu.Unlock()

	fd := s.sock.release()
	c.tls.stream = nil
	c.onOpen(s.reg, fd)
	s.reg.handOver(c)
	if !c.pump(rest) {
		s.reg.close()
	}
	return true
}
