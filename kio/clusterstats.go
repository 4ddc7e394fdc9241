package kio

import (
	"fmt"
	"maps"
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

// ClusterStats is a snapshot of a Cluster. Its counts are of all that it has done, never fall from one snapshot to the next, and are more than those of Nodes: nodes that have left or
// moved, and seeds that are none, have counted, too.
type ClusterStats struct {
	ID         string
	Controller int32       // -1: not known
	Nodes      []NodeStats // by id

	// How it stands with the nodes.
	Conns       int           // open connections
	Connected   int           // nodes with one at least
	Waiting     int           // calls that wait for a connection
	MetadataAge time.Duration // since the nodes were asked for; 0 before the first time

	// Counts, but for what Totals has of requests in flight, waiting and pending.
	Totals        Totals // of all connections
	Dials         uint64 // attempts to connect
	DialErrors    uint64 // of them: failed
	Disconnects   uint64 // connections that ended by themselves
	Reaped        uint64 // connections closed because nothing used them
	Resent        uint64 // requests that were tried again
	Refreshes     uint64 // of the metadata
	RefreshErrors uint64 // that failed
}

// count adds what an address has counted.
func (s *ClusterStats) count(n *NodeStats) {
	s.Totals.Sum(&n.Totals)
	s.Dials += n.Dials
	s.DialErrors += n.DialErrors
	s.Disconnects += n.Disconnects
}

// NodeStats is a snapshot of a node. Its counts are those of its address since it was last heard of for the first time: they begin anew when a node has been away, or moves, and never
// fall otherwise.
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

// Stats takes a snapshot; it is cheap enough to take every second of ten thousand connections.
func (c *Cluster) Stats() ClusterStats {
	c.mu.Lock()
	c.settlePartingLocked()
	s := c.past // with what is counted apart from the nodes
	s.Refreshes, s.RefreshErrors = c.meta.refreshes, c.meta.failed
	if !c.meta.fetched.IsZero() {
		s.MetadataAge = time.Since(c.meta.fetched)
	}
	t := c.nodes.Load()
	others := slices.AppendSeq(slices.Clone(c.parting), maps.Values(c.endpoints))
	c.mu.Unlock()

	s.ID, s.Controller, s.Resent, s.Reaped = t.clusterID, t.controller, c.resent.Load(), c.reaped.Load()
	s.Nodes = make([]NodeStats, 0, len(t.ids))
	counted := make(map[*endpoint]bool, len(others))
	for _, id := range t.ids {
		n := t.byID[id]
		ns := n.endpoint.stats()
		ns.Node = n.Node
		s.Conns += len(ns.Conns)
		if len(ns.Conns) > 0 {
			s.Connected++
		}
		s.Waiting += ns.Waiting
		if !counted[n.endpoint] { // two ids may have one address
			counted[n.endpoint] = true
			s.count(&ns)
		}
		s.Nodes = append(s.Nodes, ns)
	}
	for _, p := range others {
		if !counted[p] {
			ns := p.stats()
			s.count(&ns)
		}
	}
	return s
}

// settlePartingLocked puts the counts of endpoints that have left into the past, when nothing of them is left that would count.
func (c *Cluster) settlePartingLocked() {
	c.parting = slices.DeleteFunc(c.parting, func(p *endpoint) bool {
		if !p.isOver() {
			return false
		}
		ns := p.stats()
		c.past.count(&ns)
		return true
	})
}

// isOver reports whether an endpoint that has left has neither connections nor attempts any more.
func (p *endpoint) isOver() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.links)+len(p.leaving)+len(p.attempts) == 0
}

// stats takes a snapshot. A connection counts what it refuses even after its end, which the endpoint does not: where one ends while it is looked at, all of them are looked at again, or a
// later snapshot could have less.
func (p *endpoint) stats() NodeStats {
	for {
		s, ended := p.tryStats()
		p.mu.Lock()
		same := p.ends == ended
		p.mu.Unlock()
		if same {
			return s
		}
	}
}

func (p *endpoint) tryStats() (s NodeStats, ended uint64) {
	p.mu.Lock()
	ended = p.ends
	links, leaving := slices.Clone(p.links), slices.Clone(p.leaving)
	s = NodeStats{
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
	return s, ended
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
