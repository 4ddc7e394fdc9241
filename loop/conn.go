package loop

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"kafkaio/frame"
)

// connState is the life of a [Conn]; only [Conn.enterLocked] changes it.
//
//	open ──> draining ──> closing ──> closed
//	  └──────────────────────┘
type connState uint8

const (
	stateOpen     connState = iota
	stateDraining           // Shutdown: no new requests, those in flight are answered
	stateClosing            // a cause is set and the loop has been asked for the end
	stateClosed             // onClose has run: every request has ended
)

// String is the state's name in Stats.
func (s connState) String() string {
	switch s {
	case stateOpen:
		return "open"
	case stateDraining:
		return "draining"
	case stateClosing:
		return "closing"
	default:
		return "closed"
	}
}

// Conn is a pipelined connection: it sends size-prefixed requests and matches their answers. Safe for concurrent use.
//
// An idle Conn owns no goroutine and no buffer.
type Conn struct {
	// Immutable after Dial.
	engine *Engine
	addr   string
	to     *string      // DialConfig.ConnectTo; nil: addr
	limits *profile     // shared by all connections with the same
	owner  Owner        // DialConfig.Owner; nil: nobody
	watch  *observation // nil: DialConfig.Observer has nothing to be told
	reg    registration
	opened int64

	polling *polling  // set by onOpen
	tls     *tlsLayer // nil in plaintext; set before onOpen
	sock    socket

	// Owned by the loop goroutine.
	in      frame.Assembler
	receipt atomic.Pointer[receipt] // made by the first answer that does not come whole

	// Lock order: mu and socket.mu are never held together by who takes mu second. See DESIGN.md.
	mu        sync.Mutex
	state     connState
	writing   bool // somebody will write what is pending; pending bytes imply writing
	stalled   bool // the writer waits for room in the socket
	hot       bool // the loop knows that something is in flight
	nextID    frame.CorrelationID
	finished  bool      // owned by the loop goroutine: the peer has said over TLS that it sends no more
	emptied   bool      // onClose has ended all requests
	ended     bool      // closed has been, or would have been, closed
	rollState rollState // guarded by Engine.roll.mu, as rolled is; it stands where it costs no memory
	lined     int32     // bytes of Submit's requests in waiting: within MaxPendingBytes, or one request
	cause     error
	inFlight  entryList // in wire order
	waiting   entryList // for room, in order of arrival
	oneWay    entryList // not yet written, in wire order
	expired   entryList // ended off the loop; their callbacks are still to run on it
	abandoned int32     // tombstones in inFlight
	holds     int32     // Hold without Unhold: new requests wait
	turn      *sendTurn // at the engine's budget for sending; made by the first wait for it

	head, tail *buffer // pending bytes
	pending    int     // their number, those in the writer's hands included
	queued     uint64  // stream offset after the last pending byte
	taken      uint64  // stream offset up to which a writer has taken bytes

	timer   *time.Timer // made by the first deadline
	timerAt int64       // when it will fire; never while it is not armed

	closed  chan struct{} // made by who first waits; closed when nothing of the connection is left
	drained chan struct{} // made by Shutdown; closed when nothing is in flight

	rolled rolled // guarded by Engine.roll.mu

	idleSince int64     // when the last request in flight, or one-way, ended
	failures  *failures // nil: none
	counters  counters
}

// Addr is the peer as it was given to Dial.
func (c *Conn) Addr() string { return c.addr }

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr {
	local, _ := c.reg.addrs()
	return local
}

// RemoteAddr is the address of the peer's end.
func (c *Conn) RemoteAddr() net.Addr {
	return remoteAddr(c.ConnectedTo(), c.reg)
}

// ConnectedTo is the address that was connected to: Addr, or DialConfig.ConnectTo.
func (c *Conn) ConnectedTo() string {
	if c.to == nil {
		return c.addr
	}
	return *c.to
}

// enterLocked is the one place where the state changes.
func (c *Conn) enterLocked(s connState) {
	if s <= c.state {
		panic("loop: connection state goes from " + c.state.String() + " to " + s.String())
	}
	c.state = s
}

// failLocked begins the end: no new requests, and the loop is asked to close the connection, where onClose ends all requests with cause.
// The first cause stays. The caller must call c.reg.close() after unlocking if it returns true.
func (c *Conn) failLocked(cause error) (ask bool) {
	if c.state >= stateClosing {
		return false
	}
	c.cause = cause
	if endClass(cause) != ErrorClosed {
		c.noteLocked(cause)
	}
	c.enterLocked(stateClosing)
	return true
}

// fail is failLocked for who does not hold mu.
func (c *Conn) fail(cause error) {
	c.mu.Lock()
	ask := c.failLocked(cause)
	c.mu.Unlock()
	if ask {
		c.reg.close()
	}
}

// refusalLocked is the error for a new request, nil while the connection takes requests.
func (c *Conn) refusalLocked() error {
	switch c.state {
	case stateOpen:
		return nil
	case stateDraining:
		return ErrDraining
	default:
		return c.cause
	}
}

// Err is why the connection no longer takes requests: nil while it does, ErrDraining, ErrClosed after Close, or what ended it.
func (c *Conn) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.refusalLocked()
}

// onOpen implements sink. It runs before Dial returns, so that nobody else knows the connection yet.
func (c *Conn) onOpen(r registration, fd int) {
	c.reg = r
	c.polling = r.polling(c.limits.busyPoll)
	c.sock.attach(fd)
}

// onMoved implements sink.
func (c *Conn) onMoved(fd int) { c.sock.attach(fd) }

// onClose implements sink: the one place where requests end because their connection has ended.
func (c *Conn) onClose(err error) {
	// The cause comes first: a writer who finds the socket gone fails with ErrClosed, as if this side had closed.
	c.mu.Lock()
	if c.state < stateClosing {
		c.failLocked(c.explain(err))
	}
	c.mu.Unlock()
	c.sock.detach() // from here on, no byte leaves

	c.mu.Lock()
	c.enterLocked(stateClosed)
	// Requests that begin at or after this offset have not left. The count is exact, but for what a stalled writer has in its hands.
	sure := c.sent()
	if c.stalled {
		sure = c.taken
	}
	var ends entryList
	for _, l := range []*entryList{&c.inFlight, &c.oneWay, &c.waiting} {
		for e := l.head; e != nil; e = l.head {
			l.remove(e)
			if e.state == entryTombstone {
				e.free()
				continue
			}
			if e.state == entryWaiting && e.charged {
				c.engine.sending.put(frameBytes(e.request))
			}
			e.unsent = e.state == entryWaiting || e.start >= sure
			e.state = entryAnswered
			e.err = c.cause
			ends.pushBack(e)
		}
	}
	c.abandoned = 0
	c.countLocked(endClass(c.cause), ends.n, c.cause)
	for e := c.expired.head; e != nil; e = c.expired.head {
		c.expired.remove(e)
		ends.pushBack(e)
	}
	c.heatLocked()
	c.engine.sending.leave(c)
	c.dropPendingLocked()
	if c.timer != nil {
		c.timer.Stop()
	}
	c.checkDrainedLocked()
	c.mu.Unlock()

	c.engine.receiving.release(c)
	c.in.Reset() // whoever keeps the connection does not keep a part of an answer
	c.endAll(&ends)
	c.engine.roll.strike(c)

	c.mu.Lock()
	c.emptied = true
	c.endLocked()
	c.mu.Unlock()
	if c.owner != nil {
		c.owner.OnEnd(c.cause) // which does not change any more
	}
}

// explain turns what the driver reports into the cause that callers see. On the loop.
func (c *Conn) explain(err error) error {
	switch {
	case err == nil:
		return ErrStopped // nobody closed the connection, so the engine did
	case errors.Is(err, io.EOF) && c.in.MidFrame():
		have, want := c.in.Progress()
		return &CutError{Have: have, Want: want}
	case errors.Is(err, io.EOF) && c.tls != nil && !c.finished:
		return &TruncatedError{}
	default:
		return err
	}
}

// endLocked tells those who wait that nothing of the connection is left, once all requests have ended and no writer is stalled: whichever is later.
func (c *Conn) endLocked() {
	if !c.emptied || c.stalled {
		return
	}
	c.engine.forget() // before Close returns, whose caller may count
	c.ended = true
	if c.closed != nil {
		close(c.closed)
	}
}

// heatLocked tells a loop that polls whether something is in flight, when that has changed.
func (c *Conn) heatLocked() {
	if hot := c.inFlight.n > 0; hot != c.hot {
		c.hot = hot
		if !hot {
			c.idleSince = now() // once for a time in flight, so that busy connections never read the clock for it
		}
		c.polling.set(hot)
	}
}

// checkDrainedLocked tells Shutdown when nothing is in flight any more.
func (c *Conn) checkDrainedLocked() {
	if c.drained != nil && (c.inFlight.n == int(c.abandoned) && c.oneWay.n == 0 && c.pending == 0 || c.state == stateClosed) {
		close(c.drained)
		c.drained = nil
	}
}

// Shutdown drains: it refuses new requests with ErrDraining at once, also those that waited for room, lets those in flight be answered, then
// closes the connection. When ctx ends first, what is left is cut off and the context's error returned. It returns when everything is gone.
func (c *Conn) Shutdown(ctx context.Context) error {
	if c.engine.onLoop() {
		return &OpError{Op: "shutdown", Addr: c.addr, Err: ErrOnLoop}
	}
	c.mu.Lock()
	var refused entryList
	if c.state == stateOpen {
		c.enterLocked(stateDraining)
		for e := c.waiting.head; e != nil; e = c.waiting.head {
			c.quitLineLocked(e)
			e.state, e.unsent, e.err = entryAnswered, true, ErrDraining
			c.countLocked(ErrorClosed, 1, ErrDraining)
			if e.done != nil {
				c.expired.pushBack(e)
			} else {
				refused.pushBack(e)
			}
		}
	}
	var drained chan struct{}
	if c.state == stateDraining {
		if c.drained == nil {
			c.drained = make(chan struct{})
		}
		drained = c.drained
		c.checkDrainedLocked()
	}
	post := c.expired.n > 0
	c.mu.Unlock()
	c.endAll(&refused)
	if post {
		c.reg.post(c.endExpired)
	}

	var err error
	if drained != nil {
		select {
		case <-drained:
		case <-ctx.Done():
			err = &OpError{Op: "shutdown", Addr: c.addr, Err: contextError(ctx)}
		}
	}
	c.shut(ErrClosed)
	return err
}

// Close cuts: requests in flight end with ErrClosed, and nothing more is sent. It is idempotent and returns when everything is gone, except on
// a loop's goroutine (in a callback of Submit), where it only begins the end.
func (c *Conn) Close() error {
	c.shut(ErrClosed)
	return nil
}

// shut fails the connection and waits for its end where it may.
func (c *Conn) shut(cause error) {
	c.mu.Lock()
	ask := c.failLocked(cause)
	if c.ended {
		c.mu.Unlock()
		return
	}
	if c.closed == nil {
		c.closed = make(chan struct{})
	}
	gone := c.closed
	c.mu.Unlock()
	if ask {
		if c.tls != nil {
			_ = c.tls.conn.CloseWrite() // close_notify: as far as the socket takes it at once
		}
		c.reg.close()
	}
	if !c.engine.onLoop() {
		<-gone
	}
}

// Done is closed when the connection has ended and all its requests with it.
func (c *Conn) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed == nil {
		c.closed = make(chan struct{})
		if c.ended {
			close(c.closed)
		}
	}
	return c.closed
}
