package kio

import (
	"context"
	"errors"
	"runtime/debug"
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
	dialing  [numClasses]int // attempts queued or under way
	attempts []*attempt
	waiters  []*waiter
	grow     [numClasses]bool // the class is busy enough for one more connection
	hold     int              // connections of ClassShort to keep open
	turn     uint32           // which link to look at first
	failures int              // attempts in a row that failed, or came to nothing
	retryAt  time.Time        // not before: the back-off
	nextDial time.Time        // not before: the rate
	failed   error            // of the last attempt; nil once one has succeeded
	slow     bool             // the last attempt has failed, and not at once
	timer    *time.Timer      // for retryAt and nextDial
	wakeAt   time.Time        // when the timer will fire; zero: it is not armed
	gone     error            // not nil: it takes no requests any more, and this is why

	dials       uint64
	dialErrors  uint64
	disconnects uint64
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

// release ends what get began.
func (l *link) release() { l.active.Add(-1) }

// waiter is a call that waits for a connection.
type waiter struct {
	class Class
	ready chan waited // capacity 1
}

type waited struct {
	link *link
	err  error
}

// get gives a connection of the class: one that is open, or the next one, for which it waits until ctx ends. Where that cannot be in time, it fails at
// once and says why. Who gets a link releases it.
func (p *endpoint) get(ctx context.Context, class Class) (*link, error) {
	p.mu.Lock()
	if p.gone != nil {
		defer p.mu.Unlock()
		return nil, p.errorLocked(p.gone)
	}
	if l := p.pickLocked(class); l != nil {
		l.active.Add(1)
		if p.growLocked(l, class) {
			p.pumpLocked()
		}
		p.mu.Unlock()
		return l, nil
	}
	if err := p.hopelessLocked(ctx); err != nil {
		defer p.mu.Unlock()
		return nil, p.errorLocked(err)
	}
	w := &waiter{class, make(chan waited, 1)}
	p.waiters = append(p.waiters, w)
	p.pumpLocked()
	p.mu.Unlock()
	select {
	case r := <-w.ready:
		return r.link, r.err
	case <-ctx.Done():
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, other := range p.waiters {
		if other == w {
			p.waiters = append(p.waiters[:i], p.waiters[i+1:]...)
			return nil, p.errorLocked(&NotConnectedError{Last: p.failed, Retry: p.retryAt, end: contextEnd(ctx)})
		}
	}
	r := <-w.ready // its end has come at the same moment
	return r.link, r.err
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

// pickLocked is the least busy open connection of the class, nil where there is none. Among equals they take turns.
func (p *endpoint) pickLocked(class Class) *link {
	var best *link
	p.turn++
	for i := range p.links {
		l := p.links[(int(p.turn)+i)%len(p.links)]
		if l.class == class && (best == nil || l.active.Load() < best.active.Load()) && l.broker.conn.Err() == nil {
			best = l
		}
	}
	if best == nil && p.fullLocked() && !p.evictLocked() {
		for _, l := range p.links { // isolation ends where Config.Cluster.MaxConns does
			if (best == nil || l.active.Load() < best.active.Load()) && l.broker.conn.Err() == nil {
				best = l
			}
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

// mayGrowLocked reports whether the class may have one more connection, and none is on its way.
func (p *endpoint) mayGrowLocked(class Class) bool {
	return p.dialing[class] == 0 && !p.fullLocked() && p.countLocked(class) < p.cluster.cfg.Cluster.ConnsPerClass
}

// growLocked asks for one more connection for the class where its least busy one is busy, and reports whether it did.
func (p *endpoint) growLocked(l *link, class Class) bool {
	if int(l.active.Load()) <= class.busyAt() || !p.mayGrowLocked(class) {
		return false
	}
	p.grow[class] = true
	return true
}

// wantedLocked is a class that lacks a connection which no attempt is about to bring.
func (p *endpoint) wantedLocked() (Class, bool) {
	if p.countLocked(ClassShort)+p.dialing[ClassShort] < p.hold {
		return ClassShort, true
	}
	for _, w := range p.waiters {
		if p.dialing[w.class] == 0 {
			return w.class, true
		}
	}
	for class := range numClasses {
		if p.grow[class] {
			if p.mayGrowLocked(class) {
				return class, true
			}
			p.grow[class] = false
		}
	}
	return 0, false
}

// pumpLocked queues the attempts that are wanted and allowed now, and arms the timer for those that are wanted and not allowed yet.
func (p *endpoint) pumpLocked() {
	for p.gone == nil {
		class, wanted := p.wantedLocked()
		if cfg := &p.cluster.cfg.Cluster; !wanted || len(p.attempts) >= cfg.MaxDials || len(p.links)+len(p.attempts) >= cfg.MaxConns {
			return // the end of an attempt or a connection comes here again
		}
		now := time.Now()
		at := p.retryAt
		if p.nextDial.After(at) {
			at = p.nextDial
		}
		if at.After(now) {
			p.armLocked(at)
			return
		}
		p.nextDial = now.Add(p.cluster.dialInterval)
		p.grow[class] = false
		p.dialing[class]++
		a := &attempt{slow: p.slow}
		a.run = func() { p.dial(a, class) }
		p.attempts = append(p.attempts, a)
		p.cluster.attempts.Add(1)
		p.cluster.engine.gate.enter(a)
	}
}

// armLocked sets the timer, unless it fires before that anyhow.
func (p *endpoint) armLocked(at time.Time) {
	if !p.wakeAt.IsZero() && !at.Before(p.wakeAt) {
		return
	}
	p.wakeAt = at
	if p.timer == nil {
		p.timer = time.AfterFunc(time.Until(at), p.onTimer)
	} else {
		p.timer.Reset(time.Until(at))
	}
}

// onTimer goes on after the back-off. The timer runs it, on a goroutine that ends at once.
func (p *endpoint) onTimer() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wakeAt = time.Time{}
	p.pumpLocked()
	if p.wakeAt.IsZero() {
		p.timer = nil
	}
}

// dial makes an attempt, on a goroutine of the gate's; Close waits for it.
func (p *endpoint) dial(a *attempt, class Class) {
	defer p.cluster.attempts.Done()
	if p.pointless(a, class) {
		return
	}
	began := time.Now()
	l := &link{class: class}
	b, err := p.open(l)

	p.mu.Lock()
	p.endAttemptLocked(a, class)
	if err == nil {
		l.broker = b
		err = b.Err() // ended already, when ended did not know it yet
	}
	if err == nil && p.gone != nil {
		err = p.gone
	}
	if err != nil {
		p.slow = time.Since(began) >= p.cluster.cfg.DialTimeout/slowPart
		p.failedLocked(err)
		p.mu.Unlock()
		if b != nil {
			_ = b.Close()
		}
		p.cluster.suspect(err)
		return
	}
	l.opened, l.failures = time.Now(), p.failures
	p.failures, p.failed, p.slow, p.retryAt = 0, nil, false, time.Time{}
	p.links = append(p.links, l)
	p.serveLocked(l)
	p.pumpLocked()
	p.mu.Unlock()
	p.cluster.watchIdle()
}

// open makes the connection of a link. A panic of one of the Config's callbacks is an error: on this goroutine nobody could recover it.
func (p *endpoint) open(l *link) (b *Broker, err error) {
	defer func() {
		if v := recover(); v != nil {
			e := &Error{Op: "dial", Addr: p.addr, Code: CodeCannotConnect, Err: &PanicError{Value: v, Stack: debug.Stack()}, unsent: true}
			b, err = nil, p.cluster.trace.failed(e)
		}
	}()
	return p.cluster.dialBroker(p, func(b *Broker) { p.ended(l, b) })
}

// slowPart is which part of Config.DialTimeout an attempt that fails may take before the gate makes the next one wait behind others (guessed).
const slowPart = 4

// pointless reports, and ends, an attempt that nobody waits for any more.
func (p *endpoint) pointless(a *attempt, class Class) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := p.countLocked(class) > 0 // one more for a busy class
	if class == ClassShort && p.hold > 0 {
		wanted = true
	}
	for _, w := range p.waiters {
		wanted = wanted || w.class == class
	}
	if p.gone == nil && wanted {
		p.dials++
		return false
	}
	p.endAttemptLocked(a, class)
	p.pumpLocked() // others may have waited for its place
	return true
}

func (p *endpoint) endAttemptLocked(a *attempt, class Class) {
	p.dialing[class]--
	for i, other := range p.attempts {
		if other == a {
			p.attempts = append(p.attempts[:i], p.attempts[i+1:]...)
			break
		}
	}
}

// failedLocked notes a failed attempt and answers all who wait.
func (p *endpoint) failedLocked(err error) {
	p.failures++
	p.dialErrors++
	p.backOffLocked(err)
	p.refuseLocked(err)
	p.pumpLocked()
}

// backOffLocked says when the next attempt may begin after so many failures.
func (p *endpoint) backOffLocked(err error) {
	cfg := &p.cluster.cfg.Cluster
	p.failed = err
	p.retryAt = time.Now().Add(backoff(p.failures, cfg.Backoff, cfg.MaxBackoff))
	if errors.Is(err, loop.ErrStopped) {
		p.hold = 0 // an engine does not start again
	}
}

// serveLocked gives a new connection to those who wait for one of its class, and where it is the last one that Config.Cluster.MaxConns allows, also to those
// for whose class none is on its way.
func (p *endpoint) serveLocked(l *link) {
	full := p.fullLocked()
	left := p.waiters[:0]
	for _, w := range p.waiters {
		if w.class != l.class && (!full || p.dialing[w.class] > 0) {
			left = append(left, w)
			continue
		}
		l.active.Add(1)
		w.ready <- waited{link: l} // capacity 1 and ours alone: never blocks
	}
	clear(p.waiters[len(left):])
	p.waiters = left
	if len(left) == 0 {
		p.waiters = nil
	}
	p.growLocked(l, l.class)
}

// refuseLocked answers all who wait.
func (p *endpoint) refuseLocked(err error) {
	for _, w := range p.waiters {
		w.ready <- waited{err: p.errorLocked(&NotConnectedError{Last: err, Retry: p.retryAt})} // capacity 1 and ours alone: never blocks
	}
	p.waiters = nil
}

// ended takes an ended connection out. On its loop.
func (p *endpoint) ended(l *link, b *Broker) {
	p.mu.Lock()
	// A dial may have made others before, for each mechanism that was refused, and their ends come late; or who closes it has taken it out.
	if l.broker != b {
		p.mu.Unlock()
		return
	}
	s := b.conn.Stats()
	p.past.Add(&s)
	if !removeLink(&p.links, l) {
		removeLink(&p.leaving, l)
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
	return time.Since(l.opened) < soon && l.broker.conn.Stats().Answered <= l.broker.openAnswers
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
	p.waiters = nil
	if p.timer != nil {
		p.timer.Stop()
	}
	for _, a := range p.attempts {
		if p.cluster.engine.gate.drop(a) {
			p.cluster.attempts.Done()
		}
	}
	links := p.links
	p.links = nil
	p.leaving = append(p.leaving, links...)
	return links
}
