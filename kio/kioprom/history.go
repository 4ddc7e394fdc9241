package kioprom

import (
	"strconv"

	dto "github.com/prometheus/client_model/go"

	"kafkaio/kio"
)

// nodeCounters are the counters of nodes whose sum is the Cluster's. Errors stand apart, by their class.
var nodeCounters = append(within(totalCounters, totalsOf),
	metric[kio.NodeStats]{"dials_total", "Attempts to connect.", func(n *kio.NodeStats) float64 { return float64(n.Dials) }},
	metric[kio.NodeStats]{"dial_errors_total", "Attempts to connect that failed.", func(n *kio.NodeStats) float64 { return float64(n.DialErrors) }},
	metric[kio.NodeStats]{"disconnects_total", "Connections that ended by themselves.", func(n *kio.NodeStats) float64 { return float64(n.Disconnects) }},
)

// singles are those of them that each node has a series of.
var singles = []string{"requests_total", "answers_total", "sent_bytes_total", "received_bytes_total", "dials_total", "dial_errors_total", "disconnects_total"}

// countersOfNodes are the counters that each node has a series of.
var countersOfNodes = func() []metric[nodeCounts] {
	var made []metric[nodeCounts]
	for _, name := range singles {
		i := at(name)
		made = append(made, metric[nodeCounts]{name, nodeCounters[i].help, func(c *nodeCounts) float64 { return c.values[i] }})
	}
	return append(made,
		metric[nodeCounts]{"request_errors_total", "Requests that ended without their answer or were not accepted.", func(c *nodeCounts) float64 { return float64(c.errors.Total()) }},
		metric[nodeCounts]{"request_timeouts_total", "Requests given up at their deadline.", func(c *nodeCounts) float64 { return float64(c.errors[kio.ErrorTimeout]) }},
	)
}()

// at is where a counter stands in nodeCounters.
func at(name string) int {
	for i := range nodeCounters {
		if nodeCounters[i].name == name {
			return i
		}
	}
	panic("kioprom: nodes do not count " + name)
}

// nodeCounts are values of the counters of a node, or sums of them.
type nodeCounts struct {
	values [11]float64 // as nodeCounters has them
	errors kio.ErrorCounts
}

func countsOf(n *kio.NodeStats) nodeCounts {
	c := nodeCounts{errors: n.Totals.Errors}
	for i := range nodeCounters {
		c.values[i] = nodeCounters[i].value(n)
	}
	return c
}

func (c *nodeCounts) add(o *nodeCounts) {
	for i, v := range o.values {
		c.values[i] += v
	}
	for class, n := range o.errors {
		c.errors[class] += n
	}
}

// raise makes each value at least o's.
func (c *nodeCounts) raise(o *nodeCounts) {
	for i, v := range o.values {
		c.values[i] = max(c.values[i], v)
	}
	for class, n := range o.errors {
		c.errors[class] = max(c.errors[class], n)
	}
}

// history makes the counters of a Cluster out of those of its nodes, so that they never fall: a Cluster forgets the counts of a node that leaves or moves, and
// Prometheus would take the smaller sum for a counter that has begun anew, and all of it for new. What a node has counted after the last scrape in which it was seen
// is lost. The zero value works. One goroutine at a time.
type history struct {
	gone  nodeCounts // of nodes that have left or moved
	nodes map[nodeKey]*known
	turns uint64
}

// nodeKey is what has counts of its own in a Cluster.
type nodeKey struct {
	id   int32
	addr string
}

// known is a node that was there at the last turn.
type known struct {
	counts nodeCounts
	labels []*dto.LabelPair // of its series; nil before the first
	turn   uint64
}

// turn takes in the next snapshot.
func (h *history) turn(nodes []kio.NodeStats) {
	if h.nodes == nil {
		h.nodes = make(map[nodeKey]*known, len(nodes))
	}
	h.turns++
	dials := at("dials_total")
	for i := range nodes {
		n := &nodes[i]
		now := countsOf(n)
		k := h.of(n)
		if k == nil {
			k = new(known)
			h.nodes[nodeKey{n.ID, n.Addr}] = k
		}
		if now.values[dials] < k.counts.values[dials] { // it has been away since, and counts anew
			h.gone.add(&k.counts)
			k.counts = nodeCounts{}
		}
		// A connection that ends while it is looked at may count a refused request that its node's sums then lack.
		k.counts.raise(&now)
		k.turn = h.turns
	}
	for key, k := range h.nodes {
		if k.turn != h.turns {
			h.gone.add(&k.counts)
			delete(h.nodes, key)
		}
	}
}

// of is what is known of a node, nil for nothing.
func (h *history) of(n *kio.NodeStats) *known { return h.nodes[nodeKey{n.ID, n.Addr}] }

// sum is that of all nodes that ever were.
func (h *history) sum() nodeCounts {
	s := h.gone
	for _, k := range h.nodes {
		s.add(&k.counts)
	}
	return s
}

func decimal(n int) string { return strconv.Itoa(n) }
