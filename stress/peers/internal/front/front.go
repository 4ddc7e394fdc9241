// Package front answers over TLS what the responder answers in plaintext: the
// fixed point that the TLS works are measured against.
//
// It starts a responder of its own, asks it once for each kind of request and
// repeats its answer byte for byte, the correlation id apart.
//
// # Model
//
// One goroutine a listener accepts. One goroutine a connection makes the
// handshake, reads, and answers all requests of one read with one write: a
// record for as many as that is, up to TLS's 16 KiB. It is slower than the
// responder, because most of its time is crypto/tls's, and a work that is
// limited by it still compares the CPU of the clients.
package front

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"kafkaio/stress/internal/responder"
)

const (
	// inBytes holds the requests of one read; a longer one ends its
	// connection.
	inBytes = 4 << 10

	// keptBytes is up to which size a connection keeps the memory of its
	// answers: thousands of them may have had a large one.
	keptBytes = 16 << 10

	handshakeTimeout = time.Minute
)

// Config says how a [Front] behaves.
type Config struct {
	Addrs []string // each "host:port"
	TLS   *tls.Config

	// Answers shapes the responder behind; where it listens and what it
	// advertises is overwritten.
	Answers responder.Config
}

// Front is running. It is safe for concurrent use.
type Front struct {
	// immutable after Start
	tls       *tls.Config
	listeners []net.Listener
	behind    *responder.Responder
	answers   answers

	goroutines sync.WaitGroup

	mu     sync.Mutex // guards what follows
	conns  map[net.Conn]struct{}
	closed bool
	failed error
}

// Start listens and serves until [Front.Close].
func Start(cfg Config) (*Front, error) {
	f := &Front{tls: cfg.TLS, conns: make(map[net.Conn]struct{})}
	for _, a := range cfg.Addrs {
		ln, err := net.Listen("tcp", a)
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		f.listeners = append(f.listeners, ln)
	}
	cfg.Answers.Addrs, cfg.Answers.Advertise = nil, f.Addrs()
	var err error
	if f.behind, err = responder.Start(cfg.Answers); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	f.answers.addr = f.behind.Addrs()[0]
	for _, ln := range f.listeners {
		f.goroutines.Go(func() { f.accept(ln) })
	}
	return f, nil
}

// Addrs returns what is listened on, in the order of [Config.Addrs].
func (f *Front) Addrs() []string {
	addrs := make([]string, len(f.listeners))
	for i, ln := range f.listeners {
		addrs[i] = ln.Addr().String()
	}
	return addrs
}

// Failed is the first handshake that came to nothing or request that could
// not be answered; nil if there was none. The end of a connection is neither.
func (f *Front) Failed() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.failed
}

// Close cuts all connections and returns when everything has ended.
func (f *Front) Close() error {
	f.mu.Lock()
	f.closed = true
	conns := f.conns
	f.conns = nil
	f.mu.Unlock()
	for _, ln := range f.listeners {
		_ = ln.Close()
	}
	for nc := range conns {
		_ = nc.Close()
	}
	f.goroutines.Wait()
	if f.behind == nil {
		return nil
	}
	return f.behind.Close()
}

// accept is a listener's goroutine. Start starts it, the listener's end ends
// it, Close waits for it.
func (f *Front) accept(ln net.Listener) {
	for {
		nc, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			f.fail(err)
			time.Sleep(time.Millisecond) // descriptors may come back
			continue
		}
		if !f.add(nc) {
			_ = nc.Close()
			return
		}
		f.goroutines.Go(func() { f.serve(nc) })
	}
}

func (f *Front) add(nc net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.conns[nc] = struct{}{}
	}
	return !f.closed
}

func (f *Front) fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failed == nil && !f.closed {
		f.failed = err
	}
}

// serve is a connection's goroutine. accept starts it, the connection's end
// ends it, Close waits for it.
func (f *Front) serve(nc net.Conn) {
	defer func() {
		_ = nc.Close()
		f.mu.Lock()
		delete(f.conns, nc)
		f.mu.Unlock()
	}()
	_ = nc.SetDeadline(time.Now().Add(handshakeTimeout)) // fails only where the handshake will
	conn := tls.Server(nc, f.tls)
	if err := conn.Handshake(); err != nil {
		f.fail(fmt.Errorf("handshake with %v: %w", nc.RemoteAddr(), err))
		return
	}
	_ = nc.SetDeadline(time.Time{})
	in, have := make([]byte, inBytes), 0
	var out []byte
	for {
		n, err := conn.Read(in[have:])
		if err != nil {
			return
		}
		have += n
		var used int
		if out, used, err = f.answer(out[:0], in[:have]); err != nil {
			f.fail(err)
			return
		}
		have = copy(in, in[used:have])
		if len(out) == 0 {
			continue
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
		if cap(out) > keptBytes {
			out = nil
		}
	}
}

// answer appends the answers to all complete requests of in, and says how many
// bytes those were.
func (f *Front) answer(out, in []byte) (_ []byte, used int, _ error) {
	for len(in)-used >= sizeBytes {
		size := binary.BigEndian.Uint32(in[used:])
		if size > inBytes-sizeBytes {
			return out, used, fmt.Errorf("request of %d bytes, want at most %d", size, inBytes-sizeBytes)
		}
		end := used + sizeBytes + int(size)
		if len(in) < end {
			break
		}
		request := in[used+sizeBytes : end]
		a, err := f.answers.find(request)
		if err != nil {
			return out, used, err
		}
		at := len(out) + correlationAt
		out = append(out, a...)
		copy(out[at:], request[4:headerBytes])
		used = end
	}
	return out, used, nil
}
