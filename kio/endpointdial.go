package kio

import (
	"errors"
	"runtime/debug"
	"time"

	"kafkaio/loop"
)

// wantedLocked is a class that lacks a connection which no attempt is about to bring.
func (p *endpoint) wantedLocked() (Class, bool) {
	if p.countLocked(ClassShort)+p.dialing[ClassShort] < p.hold {
		return ClassShort, true
	}
	for _, w := range p.waiters {
		if p.dialing[w.class] == 0 && p.leastBusyLocked(w.class) == nil {
			return w.class, true
		}
	}
	return p.busyLocked()
}

// busyLocked is a class that has requests for more connections than it has, and may have more. It counts all requests, and not those of the least busy connection: those that
// came at once all stand on one, and the next ones will be as many.
func (p *endpoint) busyLocked() (Class, bool) {
	if p.cluster.cfg.Cluster.ConnsPerClass == 1 {
		return 0, false // the first one is for who waits for it
	}
	var load [numClasses]int
	for _, l := range p.links {
		load[l.class] += int(l.active.Load())
	}
	for _, w := range p.waiters {
		load[w.class]++
	}
	for class := range numClasses {
		if load[class] > (p.countLocked(class)+p.dialing[class])*class.busyAt() && p.mayGrowLocked(class) {
			return class, true
		}
	}
	return 0, false
}

// pumpLocked queues the attempts that are wanted and allowed now, and arms the timer for those that are wanted and not allowed yet.
func (p *endpoint) pumpLocked() {
	for p.gone == nil {
		if cfg := &p.cluster.cfg.Cluster; len(p.attempts) >= cfg.MaxDials || len(p.links)+len(p.attempts) >= cfg.MaxConns {
			return // the end of an attempt or a connection comes here again
		}
		class, wanted := p.wantedLocked()
		if !wanted {
			return
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
