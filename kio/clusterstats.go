package kio

import (
	"fmt"
	"slices"
	"time"
)

// NodeState is how a node can be reached.
type NodeState uint8

// The states.
const (
	NodeIdle       NodeState = iota // no connection, and nobody has asked for one
	NodeConnecting                  // no connection, and an attempt is queued or under way
	NodeConnected                   // one connection at least is open
	NodeBackingOff                  // the last attempt to connect has failed
)

// String is the state's name.
func (s NodeState) String() string {
	switch s {
	case NodeIdle:
		return "idle"
	case NodeConnecting:
		return "connecting"
	case NodeConnected:
		return "connected"
	case NodeBackingOff:
		return "backing off"
	default:
		return fmt.Sprintf("NodeState(%d)", uint8(s))
	}
}

// ClusterStats is a snapshot of a Cluster. Sums over nodes are over those of today: they fall when one leaves, and so do those of a node whose address changes.
type ClusterStats struct {
	ID         string
	Controller int32       // -1: not known
	Nodes      []NodeStats // by id

	Totals      Totals // of all connections that the nodes have had at their addresses of today
	Conns       int    // open connections
	Connected   int    // nodes with one at least
	Waiting     int    // calls that wait for a connection
	Dials       uint64 // attempts to connect
	DialErrors  uint64 // of them: failed
	Disconnects uint64 // connections that ended by themselves
	Reaped      uint64 // connections closed because nothing used them
	Resent      uint64 // requests that were tried again

	Refreshes     uint64        // of the metadata
	RefreshErrors uint64        // that failed
	MetadataAge   time.Duration // since the nodes were asked for; 0 before the first time
}

// NodeStats is a snapshot of a node.
type NodeStats struct {
	Node
	State       NodeState
	Conns       []ConnStats // open ones
	Totals      Totals      // of these, and of those that have ended
	Throttle    ThrottleStats
	Waiting     int       // calls that wait for a connection
	Failures    int       // attempts to connect in a row that have failed, or brought a connection that ended soon and unused
	RetryAt     time.Time // when the next one may begin; zero: at any time
	LastError   error     // of the last attempt to connect, or the end of what it brought; nil once one has succeeded
	Dials       uint64
	DialErrors  uint64
	Disconnects uint64
}

// ThrottleStats sums up what brokers have asked for by throttling.
type ThrottleStats struct {
	Throttles uint64        // answers that asked for it
	Throttled time.Duration // for how long requests were kept waiting
}

func (t *ThrottleStats) add(s *Stats) {
	t.Throttles += s.Throttles
	t.Throttled += s.Throttled
}

// ConnStats is a snapshot of a connection of a Cluster.
type ConnStats struct {
	Class Class
	Stats
}

// Stats takes a snapshot; it is cheap enough to take every second of ten thousand connections. Counts of a node begin anew when its address changes.
func (c *Cluster) Stats() ClusterStats {
	t := c.nodes.Load()
	s := ClusterStats{ID: t.clusterID, Controller: t.controller, Nodes: make([]NodeStats, 0, len(t.ids)), Resent: c.resent.Load(), Reaped: c.reaped.Load()}
	c.mu.Lock()
	s.Refreshes, s.RefreshErrors = c.meta.refreshes, c.meta.failed
	if !c.meta.fetched.IsZero() {
		s.MetadataAge = time.Since(c.meta.fetched)
	}
	c.mu.Unlock()
	for _, id := range t.ids {
		n := t.byID[id]
		ns := n.endpoint.stats()
		ns.Node = n.Node
		s.Totals.Sum(&ns.Totals)
		s.Conns += len(ns.Conns)
		if len(ns.Conns) > 0 {
			s.Connected++
		}
		s.Waiting += ns.Waiting
		s.Dials += ns.Dials
		s.DialErrors += ns.DialErrors
		s.Disconnects += ns.Disconnects
		s.Nodes = append(s.Nodes, ns)
	}
	return s
}

func (p *endpoint) stats() NodeStats {
	p.mu.Lock()
	links, leaving := slices.Clone(p.links), slices.Clone(p.leaving)
	s := NodeStats{
		Totals: p.past, Throttle: p.throttle,
		State: p.healthLocked(), Waiting: len(p.waiters), Failures: p.failures, RetryAt: p.retryAt, LastError: p.failed,
		Dials: p.dials, DialErrors: p.dialErrors, Disconnects: p.disconnects,
	}
	p.mu.Unlock()
	for _, l := range links {
		cs := l.broker.Stats()
		s.Totals.Add(&cs.Stats)
		s.Throttle.add(&cs)
		s.Conns = append(s.Conns, ConnStats{l.class, cs})
	}
	for _, l := range leaving {
		cs := l.broker.Stats()
		s.Totals.Add(&cs.Stats)
		s.Throttle.add(&cs)
	}
	return s
}

func (p *endpoint) health() NodeState {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.healthLocked()
}

func (p *endpoint) healthLocked() NodeState {
	switch {
	case len(p.links) > 0:
		return NodeConnected
	case p.failed != nil:
		return NodeBackingOff
	case len(p.attempts) > 0:
		return NodeConnecting
	default:
		return NodeIdle
	}
}
