package kio

import (
	"sync"
	"time"
)

// throttle is a connection's obedience to its broker's quotas. A broker that throttles answers first, and says for how long it will not read on
// (KIP-219); a client that waits as well keeps its requests where they can be taken back.
type throttle struct {
	mu      sync.Mutex
	until   time.Time
	began   time.Time // of the wait that is going on
	holding bool
	over    bool
	timer   *time.Timer
	count   uint64
	total   time.Duration // of the waits that are over
}

// throttled keeps new requests waiting for a while, Config.MaxThrottle at most. Of several waits at a time the one that ends last counts.
func (b *Broker) throttled(asked time.Duration) {
	wait := min(asked, b.maxThrottle)
	if wait <= 0 {
		if asked > 0 {
			b.tellThrottle(asked, 0, false)
		}
		return
	}
	t := &b.throttle
	now := time.Now()
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	t.count++
	if end := now.Add(wait); end.After(t.until) {
		t.until = end
	}
	first := !t.holding
	if first {
		t.holding, t.began = true, now
	}
	t.mu.Unlock()
	if b.trace != nil {
		b.trace.event("throttled", "addr", b.addr, "asked", asked, "waits", wait)
	}
	b.tellThrottle(asked, wait, first)
	if !first {
		return
	}
	b.conn.Hold() // before there is a timer that could take it back
	t.mu.Lock()
	defer t.mu.Unlock()
	switch left := time.Until(t.until); {
	case t.over:
	case t.timer == nil:
		t.timer = time.AfterFunc(left, b.unthrottle)
	default:
		t.timer.Reset(left) // it has fired: unthrottle is its function
	}
}

// tellThrottle tells of an answer that throttles. A hook that panics ends the connection.
func (b *Broker) tellThrottle(asked, waits time.Duration, first bool) {
	if err := b.watch.throttled(asked, waits, first); err != nil {
		b.fail(err)
	}
}

// unthrottle lets requests go on, unless the broker has asked for more time meanwhile. The timer runs it, on a goroutine that ends at once.
func (b *Broker) unthrottle() {
	t := &b.throttle
	t.mu.Lock()
	if t.over {
		t.mu.Unlock()
		return
	}
	if left := time.Until(t.until); left > 0 {
		t.timer.Reset(left)
		t.mu.Unlock()
		return
	}
	t.holding = false
	t.total += time.Since(t.began)
	t.mu.Unlock()
	b.conn.Unhold()
}

// stop ends throttling for good. Who waits is answered by the end of the connection.
func (t *throttle) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.holding && !t.over {
		t.total += time.Since(t.began)
	}
	t.over = true
	if t.timer != nil {
		t.timer.Stop()
	}
}
