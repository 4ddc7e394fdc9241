package kio

import (
	"context"
	"slices"
	"time"
)

// waiter is a call that waits for a connection.
type waiter struct {
	class Class
	ready chan waited // capacity 1
}

type waited struct {
	link *link
	err  error
}

// maxOwnWait is for how long a request waits for a connection of its own where it could share one: for as long as the one that it would stand behind may wait at the
// broker, by default (fetch.max.wait.ms of Kafka's own clients).
const maxOwnWait = 500 * time.Millisecond

// isWorthWaitingLocked reports whether a request should wait for a connection of its own instead of sharing the least busy one of its class: where it would stand behind one that
// may wait for seconds, another connection is allowed and not promised to somebody else, and the broker takes connections. All others share at once: an open connection serves
// them soon, and whatever becomes of the attempt to open one more is nothing to them.
func (p *endpoint) isWorthWaitingLocked(l *link, class Class) bool {
	if !class.polls() || l.class != class || int(l.active.Load()) < class.busyAt() || p.failed != nil {
		return false
	}
	return p.promisedLocked(class) < p.roomLocked(class)
}

// roomLocked is how many connections more the class may have, those on their way included.
func (p *endpoint) roomLocked(class Class) int {
	cfg := &p.cluster.cfg.Cluster
	return max(min(cfg.ConnsPerClass-p.countLocked(class), cfg.MaxConns-len(p.links)), 0)
}

// promisedLocked is how many calls wait for one of the class.
func (p *endpoint) promisedLocked(class Class) int {
	n := 0
	for _, w := range p.waiters {
		if w.class == class {
			n++
		}
	}
	return n
}

// await waits for the end of a wait that get has begun.
func (p *endpoint) await(ctx context.Context, w *waiter) (*link, error) {
	var enough <-chan time.Time // of waiting for what could be shared
	if w.class.polls() {
		ticker := time.NewTicker(ownWait(ctx))
		defer ticker.Stop()
		enough = ticker.C
	}
	for {
		select {
		case r := <-w.ready:
			return r.link, r.err
		case <-enough:
			if l := p.share(w); l != nil {
				return l, nil
			}
			// There is none to share yet, or it has just been served.
		case <-ctx.Done():
			return p.giveUp(ctx, w)
		}
	}
}

// ownWait leaves a request half of its time for the rest.
func ownWait(ctx context.Context) time.Duration {
	if deadline, ok := ctx.Deadline(); ok {
		return min(max(time.Until(deadline)/2, 1), maxOwnWait)
	}
	return maxOwnWait
}

// share gives a waiter a connection that others use, nil where there is none or it has been answered.
func (p *endpoint) share(w *waiter) *link {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.Index(p.waiters, w)
	l := p.leastBusyLocked(w.class)
	if i < 0 || l == nil {
		return nil
	}
	p.setWaitersLocked(slices.Delete(p.waiters, i, i+1))
	p.takeLocked(l)
	return l
}

// giveUp ends a wait with its context, unless that has been answered at the same moment.
func (p *endpoint) giveUp(ctx context.Context, w *waiter) (*link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if i := slices.Index(p.waiters, w); i >= 0 {
		p.setWaitersLocked(slices.Delete(p.waiters, i, i+1))
		return nil, p.errorLocked(&NotConnectedError{Last: p.failed, Retry: p.retryAt, end: contextEnd(ctx)})
	}
	r := <-w.ready
	return r.link, r.err
}

// setWaitersLocked is the one place where the list changes.
func (p *endpoint) setWaitersLocked(list []*waiter) {
	if len(list) == 0 {
		list = nil
	}
	p.waiters = list
	p.waiting.Store(int32(len(list))) //nolint:gosec // each is a goroutine
}

// answerLocked gives a waiter, which its caller takes off the list, a connection.
func (w *waiter) answerLocked(l *link) {
	l.active.Add(1)
	w.ready <- waited{link: l} // capacity 1 and ours alone: never blocks
}

// settleLocked gives connections of the class that are not busy to those who wait for one of their own.
func (p *endpoint) settleLocked(class Class) {
	for {
		l := p.leastBusyLocked(class)
		i := slices.IndexFunc(p.waiters, func(w *waiter) bool { return w.class == class })
		if i < 0 || l == nil || int(l.active.Load()) >= class.busyAt() {
			return
		}
		p.waiters[i].answerLocked(l)
		p.setWaitersLocked(slices.Delete(p.waiters, i, i+1))
	}
}

// serveLocked gives a new connection to those who wait for one of its class, but for those who may wait for one of their own. Where it is the last one that
// Config.Cluster.MaxConns allows, it is also for those for whose class none is on its way.
func (p *endpoint) serveLocked(l *link) {
	full := p.fullLocked()
	room := 0
	if l.class.polls() {
		room = p.roomLocked(l.class)
	}
	left := p.waiters[:0]
	for _, w := range p.waiters {
		switch {
		case w.class != l.class && (!full || p.dialing[w.class] > 0):
			left = append(left, w)
		case w.class == l.class && room > 0 && int(l.active.Load()) >= l.class.busyAt():
			room--
			left = append(left, w)
		default:
			w.answerLocked(l)
		}
	}
	clear(p.waiters[len(left):])
	p.setWaitersLocked(left)
}

// refuseLocked answers all who wait: those who can share an open connection get that.
func (p *endpoint) refuseLocked(err error) {
	for _, w := range p.waiters {
		if l := p.leastBusyLocked(w.class); l != nil {
			w.answerLocked(l)
			continue
		}
		w.ready <- waited{err: p.errorLocked(&NotConnectedError{Last: err, Retry: p.retryAt})} // capacity 1 and ours alone: never blocks
	}
	p.setWaitersLocked(nil)
}
