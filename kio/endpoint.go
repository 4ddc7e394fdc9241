package kio

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"kafkaio/loop"
)

// endpoint is one address of a Cluster: its connections, and the care for them. Node ids point to endpoints, and so do seeds, so that one which is a node
// as well has its connections once. Without a connection and without a request it is this struct and nothing else.
//
//	a class without a connection:  idle ──(request, or held open)──> queued at the gate ──> dialling ──> open
//	                                 ^                                                        │
//	                                 └──────────────── after the back-off <───────(failed)───┘
type endpoint struct {
	// Immutable.
	cluster *Cluster
	addr    string // with its port
	to      string // of a seed whose name has several addresses, the one that this is; else empty

	// Lock order: Cluster.mu, endpoint.mu, dialGate.mu.
	mu       sync.Mutex
	links    []*link
	leaving  []*link         // taken out of links by who closes them, and not ended yet
	past     Totals          // of the connections that have ended
	ends     uint64          // how many that are
	throttle ThrottleStats   // of the same
	dialing  [numClasses]int // attempts queued or under way
	attempts []*attempt
	waiters  []*waiter   // in order of arrival; changed by setWaitersLocked
	hold     int         // connections of ClassShort to keep open
	turn     uint32      // which link to look at first
	failures int         // attempts in a row that failed, or came to nothing
	retryAt  time.Time   // not before: the back-off
	nextDial time.Time   // not before: the rate
	failed   error       // of the last attempt; nil once one has succeeded
	slow     bool        // the last attempt has failed, and not at once
	timer    *time.Timer // for retryAt and nextDial
	wakeAt   time.Time   // when the timer will fire; zero: it is not armed
	gone     error       // not nil: it takes no requests any more, and this is why

	dials       uint64
	dialErrors  uint64
	disconnects uint64

	// Atomic. Written with mu held.
	waiting atomic.Int32 // len(waiters)
}

// link is one connection of an endpoint.
type link struct {
	broker *Broker
	class  Class
	active atomic.Int32 // requests that use it

	opened   time.Time // set with broker
	failures int       // attempts in a row that had failed before it

	lastRequests uint64 // owned by the reaper: what it saw the last time
	idleSince    time.Time
}

// get gives a connection of the class: an open one, which others may be using, or the next one, for which it waits until ctx ends. Where that cannot be in time, it
// fails at once and says why. Who gets a link releases it.
func (p *endpoint) get(ctx context.Context, class Class) (*link, error) {
	p.mu.Lock()
	if p.gone != nil {
		defer p.mu.Unlock()
		return nil, p.errorLocked(p.gone)
	}
	l := p.pickLocked(class)
	if l != nil && !p.isWorthWaitingLocked(l, class) {
		p.takeLocked(l)
		p.mu.Unlock()
		return l, nil
	}
	if l == nil {
		if err := p.hopelessLocked(ctx); err != nil {
			defer p.mu.Unlock()
			return nil, p.errorLocked(err)
		}
	}
	w := &waiter{class, make(chan waited, 1)}
	p.setWaitersLocked(append(p.waiters, w))
	p.settleLocked(class) // who has released one meanwhile may not have seen w
	p.pumpLocked()
	p.mu.Unlock()
	return p.await(ctx, w)
}

// takeLocked begins the use of an open connection, and asks for another one if the class is busy now.
func (p *endpoint) takeLocked(l *link) {
	l.active.Add(1)
	if p.cluster.cfg.Cluster.ConnsPerClass > 1 && p.mayGrowLocked(l.class) {
		p.pumpLocked()
	}
}

// release ends what get began.
func (p *endpoint) release(l *link) {
	l.active.Add(-1)
	if p.waiting.Load() > 0 && l.class.polls() {
		p.mu.Lock()
		p.settleLocked(l.class)
		p.mu.Unlock()
	}
}

// hopelessLocked is why no connection can be had before ctx ends, nil where one may.
func (p *endpoint) hopelessLocked(ctx context.Context) error {
	if len(p.attempts) > 0 || p.failed == nil {
		return nil
	}
	wait := time.Until(p.retryAt)
	if wait <= 0 {
		return nil
	}
	deadline, ok := ctx.Deadline()
	if isFatal(p.failed) || ok && time.Until(deadline) <= wait {
		return &NotConnectedError{Last: p.failed, Retry: p.retryAt}
	}
	return nil
}

// errorLocked is an error of a request that found no connection.
func (p *endpoint) errorLocked(err error) *Error {
	e := &Error{Op: "request", Addr: p.addr, Code: CodeNoConnection, Err: err, unsent: true}
	var n *NotConnectedError
	if errors.As(err, &n) {
		e.Code = CodeCannotConnect
	}
	return e
}

// pickLocked is the connection for a request of the class, nil where there is none: the least busy one of the class. Among equals they take turns.
func (p *endpoint) pickLocked(class Class) *link {
	p.turn++
	best := p.leastBusyLocked(class)
	if best == nil && p.fullLocked() && !p.evictLocked() {
		for _, l := range p.links { // isolation ends where Config.Cluster.MaxConns does
			if (best == nil || l.active.Load() < best.active.Load()) && l.broker.conn.Err() == nil {
				best = l
			}
		}
	}
	return best
}

// leastBusyLocked is the open connection of the class with the least requests, nil where there is none.
func (p *endpoint) leastBusyLocked(class Class) *link {
	var best *link
	for i := range p.links {
		l := p.links[(int(p.turn)+i)%len(p.links)]
		if l.class == class && (best == nil || l.active.Load() < best.active.Load()) && l.broker.conn.Err() == nil {
			best = l
		}
	}
	return best
}

// fullLocked reports whether the node has as many connections as it may.
func (p *endpoint) fullLocked() bool {
	return len(p.links) > 0 && len(p.links)+len(p.attempts) >= p.cluster.cfg.Cluster.MaxConns
}

// evictLocked makes room for a connection of another class by closing one that nobody uses, and that is not to be kept open.
func (p *endpoint) evictLocked() bool {
	held := p.countLocked(ClassShort) <= p.hold
	for _, l := range p.links {
		if held && l.class == ClassShort {
			continue
		}
		if l.active.Load() == 0 && l.broker.isIdle() {
			removeLink(&p.links, l)
			p.leaving = append(p.leaving, l)
			p.cluster.closeLink(l)
			return true
		}
	}
	return false
}

// removeLink takes a connection out of a list, and reports whether it was there.
func removeLink(list *[]*link, l *link) bool {
	i := slices.Index(*list, l)
	if i < 0 {
		return false
	}
	*list = slices.Delete(*list, i, i+1)
	return true
}

// countLocked is how many connections the class has.
func (p *endpoint) countLocked(class Class) int {
	n := 0
	for _, l := range p.links {
		if l.class == class {
			n++
		}
	}
	return n
}

// mayGrowLocked reports whether the class may have one more connection.
func (p *endpoint) mayGrowLocked(class Class) bool {
	return !p.fullLocked() && p.countLocked(class)+p.dialing[class] < p.cluster.cfg.Cluster.ConnsPerClass
}

// ended takes an ended connection out. On its loop.
func (p *endpoint) ended(l *link, b *Broker) {
	p.mu.Lock()
	// A dial may have made others before, for each mechanism that was refused, and their ends come late; or who closes it has taken it out.
	if l.broker != b {
		p.mu.Unlock()
		return
	}
	open := removeLink(&p.links, l)
	if !open && !removeLink(&p.leaving, l) {
		p.mu.Unlock()
		return // it has ended before the attempt has: that has failed
	}
	s := b.Stats()
	p.past.Add(&s.Stats)
	p.throttle.add(&s)
	p.ends++
	if !open {
		p.mu.Unlock()
		return
	}
	p.disconnects++
	if err := b.Err(); l.cameToNothing(p.cluster.cfg.Cluster.MaxBackoff) || errors.Is(err, loop.ErrStopped) {
		p.failures = max(p.failures, l.failures+1)
		p.backOffLocked(err)
	}
	p.pumpLocked()
	p.mu.Unlock()
	p.cluster.closeLink(l)
}

// cameToNothing reports whether a connection that has ended did so soon, without an answer to anything but what opened it. A broker over its quota of connections looks like
// that, and so does a proxy without its broker: connecting again at once, for ever, would be all that is left of the back-off.
func (l *link) cameToNothing(soon time.Duration) bool {
	return time.Since(l.opened) < soon && l.broker.conn.Stats().Answered <= uint64(l.broker.openAnswers)
}

// setHold says how many connections of ClassShort are to be kept open.
func (p *endpoint) setHold(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold = n
	p.pumpLocked()
}

// leave ends an endpoint: requests that wait are refused with why, attempts that have not begun are taken back, and its connections are the caller's to end.
func (p *endpoint) leave(why error) []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.gone != nil {
		return nil
	}
	p.gone = why
	for _, w := range p.waiters {
		w.ready <- waited{err: p.errorLocked(why)} // capacity 1 and ours alone: never blocks
	}
	p.setWaitersLocked(nil)
	if p.timer != nil {
		p.timer.Stop()
	}
	p.attempts = slices.DeleteFunc(p.attempts, func(a *attempt) bool {
		dropped := p.cluster.engine.gate.drop(a)
		if dropped {
			p.cluster.attempts.Done()
		}
		return dropped
	})
	links := p.links
	p.links = nil
	p.leaving = append(p.leaving, links...)
	return links
}
