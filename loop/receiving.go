package loop

import (
	"sync"
	"sync/atomic"
	"time"
)

// unaskedBytes is what the memory of an answer that is being collected may grow to without asking the budget: what a read brings has been read, and
// connections with small answers never wait for those with large ones.
const unaskedBytes = 64 << 10

// receiving is an engine's budget for the memory of answers that are being collected.
//
// Memory is asked for before it is allocated, and at once for the whole answer: connections that hold a part each and wait for the rest would keep
// each other waiting. What does not fit is refused, but for one connection at a time, the one over the limit: so one always goes on, and what is held
// passes the limit by the memory of one answer. Who is refused takes what has been read already, and reads no more; when memory is given back, those
// who wait are served in their order, as far as it goes. Who asks for less than what is left goes on meanwhile, so that it is the greedy who wait.
type receiving struct {
	budget // with the memory of the one over the limit

	extra atomic.Int64 // the memory of the one over the limit, by which the limit is higher for the others; written under mu

	// mu is taken under no lock but a driver's, and nothing is taken under it. It guards all below.
	mu         sync.Mutex
	over       *Conn // the one over the limit
	head, tail *Conn // who waits
	paused     int
	pauses     uint64
}

// receipt is what a connection holds of the budget, or waits for.
type receipt struct {
	// Owned by the loop goroutine, but while waiting guarded by receiving.mu.
	charged int64
	over    bool // receiving.over is this connection

	// Owned by the loop goroutine.
	waiting bool // it was refused, and has not found out about a grant

	paused  atomic.Bool  // it reads no more until there is memory
	resumed atomic.Int64 // the instant when paused ended last; 0 if it never began

	// Guarded by receiving.mu.
	prev, next *Conn
	want       int64
	listed     bool // it waits; waiting without it: what it wants has been granted
}

// makeReceipt gives the connection's receipt, made where there is none: most never need it. On the loop.
func (c *Conn) makeReceipt() *receipt {
	p := c.receipt.Load()
	if p == nil {
		p = new(receipt)
		c.receipt.Store(p)
	}
	return p
}

// ask takes memory for the connection until it has n bytes. False: it waits for them. On the loop.
func (r *receiving) ask(c *Conn, n int64) bool {
	p := c.makeReceipt()
	v := r.add(n - p.charged)
	if !p.over && v&(lineBit-1) <= r.limit+r.extra.Load() {
		p.charged = n
		r.note(v)
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch v = r.held(); {
	case p.over || r.over == nil && v > r.limit:
		r.over, p.over = c, true
		r.extra.Store(n)
	case v <= r.limit+r.extra.Load():
	default:
		r.add(p.charged - n)
		p.want, p.waiting = n, true
		r.linkLocked(c)
		r.grantLocked() // also to who has found too much held because of this attempt
		p.waiting = p.listed
		return !p.listed
	}
	p.charged = n
	r.note(v)
	return true
}

// charge makes n bytes what the connection holds, asked for or not. On the loop.
func (r *receiving) charge(c *Conn, n int64) {
	p := c.makeReceipt()
	if p.waiting || p.over {
		r.mu.Lock()
		defer r.mu.Unlock()
		if p.over {
			r.extra.Store(min(n, p.charged)) // the limit must at no time seem higher than it is
		}
		r.note(r.add(n - p.charged))
		p.charged = n
		if p.over {
			r.extra.Store(n)
		}
		r.grantLocked()
		return
	}
	d := n - p.charged
	p.charged = n
	if v := r.add(d); d < 0 && v >= lineBit {
		r.mu.Lock()
		r.grantLocked()
		r.mu.Unlock()
	} else {
		r.note(v)
	}
}

// cover makes what the connection holds n bytes at least. On the loop.
func (r *receiving) cover(c *Conn, n int64) {
	p := c.receipt.Load()
	if p.waiting { // and may be granted more at this moment, which charge then gives back
		r.mu.Lock()
		enough := p.charged >= n
		r.mu.Unlock()
		if enough {
			return
		}
	} else if p.charged >= n {
		return
	}
	r.charge(c, n)
}

// release gives all back: the answer is complete, or will never be. On the loop.
func (r *receiving) release(c *Conn) {
	p := c.receipt.Load()
	if p == nil {
		return
	}
	if !p.waiting && !p.over {
		n := p.charged
		p.charged = 0
		if n > 0 && r.add(-n) >= lineBit {
			r.mu.Lock()
			r.grantLocked()
			r.mu.Unlock()
		}
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.listed {
		r.unlinkLocked(c)
	}
	p.waiting = false
	if p.over {
		r.over, p.over = nil, false
		r.extra.Store(0) // first, as in charge
	}
	r.add(-p.charged)
	p.charged = 0
	r.grantLocked()
}

// waits reports whether the connection still waits for memory. On the loop.
func (r *receiving) waits(c *Conn) bool {
	p := c.receipt.Load()
	if p == nil {
		return false
	}
	if p.waiting {
		r.mu.Lock()
		p.waiting = p.listed
		r.mu.Unlock()
	}
	return p.waiting
}

// park is told that the connection has stopped reading, or could not. On the loop.
func (r *receiving) park(c *Conn, stopped bool) {
	p := c.receipt.Load()
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case !p.listed: // granted meanwhile
		if stopped {
			go c.readOn()
		}
	case !stopped: // it goes on, whatever that costs: see registration.pause
		r.unlinkLocked(c)
		r.note(r.add(p.want - p.charged))
		p.charged = p.want
	case !p.paused.Load():
		p.paused.Store(true)
		r.paused++
		r.pauses++
	}
}

// grantLocked gives those who wait what there is.
func (r *receiving) grantLocked() {
	for c := r.head; c != nil; {
		p := c.receipt.Load()
		next := p.next
		v, more := r.held(), p.want-p.charged
		switch {
		case more <= 0 || v+more <= r.limit+r.extra.Load():
			r.grantToLocked(c)
		case r.over == nil:
			r.over, p.over = c, true
			r.grantToLocked(c)
			r.extra.Store(p.charged)
		case v >= r.limit+r.extra.Load():
			return
		}
		c = next
	}
}

func (r *receiving) grantToLocked(c *Conn) {
	p := c.receipt.Load()
	r.note(r.add(p.want - p.charged))
	p.charged = p.want
	resume := p.paused.Load()
	r.unlinkLocked(c)
	if resume {
		go c.readOn()
	}
}

func (r *receiving) linkLocked(c *Conn) {
	p := c.receipt.Load()
	p.prev, p.next, p.listed = r.tail, nil, true
	if r.tail == nil {
		r.head = c
		r.word.Add(lineBit)
	} else {
		r.tail.receipt.Load().next = c
	}
	r.tail = c
}

func (r *receiving) unlinkLocked(c *Conn) {
	p := c.receipt.Load()
	if p.prev == nil {
		r.head = p.next
	} else {
		p.prev.receipt.Load().next = p.next
	}
	if p.next == nil {
		r.tail = p.prev
	} else {
		p.next.receipt.Load().prev = p.prev
	}
	if r.head == nil {
		r.word.Add(-lineBit)
	}
	p.prev, p.next, p.listed = nil, nil, false
	if p.paused.Load() {
		p.resumed.Store(now())
		p.paused.Store(false)
		r.paused--
	}
}

// stats adds what the budget tells.
func (r *receiving) stats(s *EngineStats) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s.ReceivingBytes, s.MaxReceivingBytes = r.held(), r.asConfigured()
	s.PausedConns, s.Pauses = r.paused, r.pauses
}

// readOn makes a connection read again whose memory has been granted.
//
// Started by who has given memory back, which may be a loop, where registration.resume must not be called; ends at once; a driver's stop waits for it
// where that matters.
func (c *Conn) readOn() { c.reg.resume() }

// holdBack stops reading for want of memory. On the loop.
//
// A resume that is late may undo it; the next event then finds the connection waiting still, and comes here again.
func (c *Conn) holdBack() {
	c.engine.receiving.park(c, c.reg.pause())
}

// grant gives how much memory the answer that is being collected gets, which will have whole bytes: n, or no more than the least that it needs. On
// the loop.
func (c *Conn) grant(least, n, whole int) int {
	r, p := &c.engine.receiving, c.makeReceipt()
	switch {
	case n <= unaskedBytes || n == least:
	case r.waits(c):
		n = least
	case p.charged >= int64(whole) || r.ask(c, int64(whole)):
		return n
	default:
		n = least
	}
	r.charge(c, int64(n))
	return n
}

// blameless is the instant until which the peer, which has d for something, cannot be blamed for not doing it, as it is this side that has not read; 0
// where there is no such excuse.
func (c *Conn) blameless(d time.Duration) int64 {
	p := c.receipt.Load()
	if p == nil {
		return 0
	}
	if p.paused.Load() {
		return after(d)
	}
	resumed := p.resumed.Load()
	if resumed == 0 {
		return 0
	}
	return resumed + min(int64(d), never-resumed)
}
