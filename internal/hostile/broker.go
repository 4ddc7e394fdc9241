package hostile

import (
	"bufio"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// closePatience is how long Close waits for the scripts before it fails the
// test. Guessed: scripts end when their connection is closed, so only a script
// of the test's own can take longer than an instant.
const closePatience = 10 * time.Second

// Broker is a listening hostile broker. It is safe for concurrent use.
type Broker struct {
	// Immutable after construction.
	tb      testing.TB
	ln      *net.TCPListener
	scripts []Script
	done    chan struct{} // closed by Close

	// Atomic.
	accepted atomic.Int64
	requests atomic.Int64

	running   sync.WaitGroup // the accept goroutine and one for each connection
	closeOnce sync.Once

	mu    sync.Mutex
	peers []*Peer // connections whose script runs, in the order of accept
	ended bool    // Close has run: a connection accepted now is closed at once
}

// Listen starts a broker on a free port of 127.0.0.1. The i-th connection gets
// the i-th script, further ones the last script; without any script all get
// [Stall]. The broker ends by t.Cleanup.
func Listen(t testing.TB, scripts ...Script) *Broker {
	t.Helper()
	return ListenAt(t, "127.0.0.1:0", scripts...)
}

// ListenAt is [Listen] on a given address, so that a test can let a broker come
// back where it was before [Broker.Close].
func ListenAt(t testing.TB, addr string, scripts ...Script) *Broker {
	t.Helper()
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatalf("hostile: listen on %s: %v", addr, err)
	}
	if len(scripts) == 0 {
		scripts = []Script{Stall}
	}
	b := &Broker{
		tb:      t,
		ln:      ln.(*net.TCPListener),
		scripts: append([]Script(nil), scripts...),
		done:    make(chan struct{}),
	}
	b.running.Add(1)
	go b.accept()
	t.Cleanup(b.Close)
	return b
}

// Addr returns host:port of the listener, also after Close.
func (b *Broker) Addr() string { return b.ln.Addr().String() }

// Accepted returns how many connections were accepted so far, closed ones
// included.
func (b *Broker) Accepted() int { return int(b.accepted.Load()) }

// Requests returns how many whole requests the scripts have read so far, over
// all connections. Bytes that [Echo] and [Stall] read are not counted.
func (b *Broker) Requests() int { return int(b.requests.Load()) }

// Conns returns the broker's side of all connections that it still holds, in
// the order of accept. Closing one ends its script, except Silence, which looks
// at the connection no more.
func (b *Broker) Conns() []net.Conn {
	b.mu.Lock()
	defer b.mu.Unlock()
	conns := make([]net.Conn, len(b.peers))
	for i, p := range b.peers {
		conns[i] = p
	}
	return conns
}

// Close closes the listener and every connection and waits for the scripts. It
// fails the test when one does not end. Closing again does nothing. It must not
// be called from a script.
func (b *Broker) Close() { b.closeOnce.Do(b.close) }

func (b *Broker) close() {
	close(b.done)
	_ = b.ln.Close()
	b.mu.Lock()
	b.ended = true
	peers := append([]*Peer(nil), b.peers...)
	b.mu.Unlock()
	for _, p := range peers {
		_ = p.Close()
	}
	idle := make(chan struct{})
	go b.waitIdle(idle)
	timer := time.NewTimer(closePatience)
	defer timer.Stop()
	select {
	case <-idle:
	case <-timer.C:
		b.tb.Errorf("hostile: a script still runs %v after its connection was closed", closePatience)
	}
}

// waitIdle closes idle when no script runs any more. Close starts it and waits
// for it, except when a script hangs, which fails the test.
func (b *Broker) waitIdle(idle chan<- struct{}) {
	b.running.Wait()
	close(idle)
}

// accept hands each connection to serve. ListenAt starts it, closing the
// listener ends it, Close waits for it.
func (b *Broker) accept() {
	defer b.running.Done()
	for i := 0; ; i++ {
		conn, err := b.ln.AcceptTCP()
		if err != nil {
			select {
			case <-b.done:
			default:
				b.tb.Errorf("hostile: accept: %v", err)
			}
			return
		}
		p := &Peer{TCPConn: conn, r: bufio.NewReader(conn), broker: b}
		if !b.add(p) {
			_ = conn.Close()
			return
		}
		b.accepted.Add(1)
		go b.serve(p, b.scripts[min(i, len(b.scripts)-1)])
	}
}

// add registers a connection and its goroutine; false means that the broker
// has been closed meanwhile.
func (b *Broker) add(p *Peer) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return false
	}
	b.peers = append(b.peers, p)
	b.running.Add(1)
	return true
}

// serve runs the script of one connection. accept starts it; the script's end
// and then the end of the client's bytes end it, or Close, which waits for it.
func (b *Broker) serve(p *Peer, script Script) {
	defer b.running.Done()
	defer b.remove(p)
	script(p)
	p.drain()
}

// remove closes a connection and forgets it.
func (b *Broker) remove(p *Peer) {
	_ = p.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.peers {
		if other == p {
			b.peers = append(b.peers[:i], b.peers[i+1:]...)
			return
		}
	}
}
