package kio

import (
	"time"

	"kafkaio/loop"
)

// Stats is a snapshot of a connection.
type Stats struct {
	loop.Stats

	ID                uint64        // ConnInfo.ID, as Config.Hooks and Config.Logger are told it; 0 without either
	Throttled         time.Duration // for how long requests were kept waiting at the broker's request, so far
	Throttles         uint64        // answers that asked for it
	Reauthentications uint64        // that the broker has accepted
	SessionEnds       time.Time     // when the broker will ask for the next one; zero where it will not
}

// Stats takes a snapshot; it is cheap enough to take every second of ten thousand connections: a few microseconds each, most of them the system call for
// what the kernel knows (TCP_INFO, Linux).
func (b *Broker) Stats() Stats {
	s := Stats{Stats: b.conn.Stats()}
	if b.watch != nil {
		s.ID = b.watch.info.ID
	}
	if s.LastError != nil {
		s.LastError = b.cause(s.LastError)
	}
	b.throttle.mu.Lock()
	s.Throttles, s.Throttled = b.throttle.count, b.throttle.total
	if b.throttle.holding && !b.throttle.over {
		s.Throttled += time.Since(b.throttle.began)
	}
	b.throttle.mu.Unlock()
	if b.session != nil {
		b.session.mu.Lock()
		s.Reauthentications, s.SessionEnds = b.session.count, b.session.ends
		b.session.mu.Unlock()
	}
	return s
}

// Totals are sums over connections: EngineStats has those of an engine, and Add makes others.
type Totals = loop.Totals
