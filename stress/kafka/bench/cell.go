package main

import (
	"fmt"
	"slices"
	"strings"

	"kafkaio/stress/kafka/internal/cluster"
)

// The APIs that are asked.
const (
	apiVersions = "ApiVersions"
	apiMetadata = "Metadata" // of one topic
	apiProduce  = "Produce"  // one record, acknowledged by the leader
	apiFetch    = "Fetch"    // one record
)

var allAPIs = []string{apiVersions, apiMetadata, apiProduce, apiFetch}

// Names of peers. Those of ours begin with ours.
const (
	ours            = "kafkaio"
	oursDelay       = "kafkaio/delay"        // with moderated wake-ups
	oursRaw         = "kafkaio/raw"          // RoundTrip of bytes in place of Request
	oursSubmit      = "kafkaio/submit"       // Submit of bytes, the next one from the callback of the last: no goroutine a caller
	oursSubmitDelay = "kafkaio/submit-delay" // likewise, with moderated wake-ups
	oursNever       = "kafkaio/never"        // without busy polling
	oursGnet        = "kafkaio/gnet"         // on the gnet driver
	franzGo         = "franz-go"
	sarama          = "sarama"
	kafkaGo         = "kafka-go"
	kafkaGoConn     = "kafka-go/conn" // callers that share a Conn; kafka-go by itself opens a connection for each
	cEpoll          = "c-epoll"       // a C program that reads no answer, and one
	cRest           = "c-rest"        // that lets answers gather for a millisecond: what the kernel takes
)

// usualPeers are those of a full run.
var (
	usualPeers = []string{ours, oursDelay, oursRaw, franzGo, sarama, kafkaGo, kafkaGoConn, cEpoll}
	allPeers   = append(slices.Clone(usualPeers), oursSubmit, oursSubmitDelay, oursNever, oursGnet, cRest)
)

func isOurs(peer string) bool { return strings.HasPrefix(peer, ours) }

// delays says whether a peer rests before it looks for answers, which nobody does for one caller.
func delays(peer string) bool {
	return peer == oursDelay || peer == oursSubmitDelay || peer == cRest
}

// mechanism is the one that all clients use on SASL_SSL: cheap to log in with, and of no account afterwards.
const mechanism = cluster.Plain

// shape is how many callers share how many connections.
type shape struct{ conns, callers int }

func (s shape) String() string { return fmt.Sprintf("%dx%d", s.conns, s.callers) }

func parseShape(text string) (shape, error) {
	var s shape
	if _, err := fmt.Sscanf(text, "%dx%d", &s.conns, &s.callers); err != nil || s.String() != text || s.conns < 1 || s.callers < s.conns || s.callers > 10_000 {
		return s, fmt.Errorf("shape %q: want CONNECTIONSxCALLERS, at least as many callers as connections", text)
	}
	return s, nil
}

// row is what all peers do in turn.
type row struct {
	listener, api string
	shape         shape
}

func (r row) String() string { return fmt.Sprintf("%s %s %v", r.listener, r.api, r.shape) }

// cell is a row done by one peer.
type cell struct {
	row
	peer string
}

func (c cell) String() string { return fmt.Sprintf("%v %s", c.row, c.peer) }

// rows lists what was asked for, in the order of the table.
func rows(listeners, apis []string, shapes []shape) []row {
	var all []row
	for _, listener := range listeners {
		for _, api := range apis {
			for _, s := range shapes {
				all = append(all, row{listener, api, s})
			}
		}
	}
	return all
}

// can says whether the peer does the row.
func (c cell) can() bool {
	switch {
	case delays(c.peer) && c.shape.callers == 1:
		return false
	case c.peer == kafkaGoConn:
		// A Conn that fetches has a position of its own, so that its callers would fetch different records.
		return c.shape.conns < c.shape.callers && c.api != apiFetch
	case isYardstick(c.peer):
		return c.listener == cluster.Plaintext && (c.shape.conns == 1 || c.shape.conns == c.shape.callers)
	default:
		return true
	}
}

// opens is how many connections the peer opens for the row.
func (c cell) opens() int {
	if c.peer == kafkaGo {
		return c.shape.callers
	}
	return c.shape.conns
}

// rivals says whether ours is held against the peer: another client, on as many connections.
func (c cell) rivals() bool {
	return !isOurs(c.peer) && !isYardstick(c.peer) && c.opens() == c.shape.conns
}

// cells lists those of some rows that can be done, one row after the other.
func cells(rows []row, peers []string) []cell {
	var all []cell
	for _, r := range rows {
		for _, p := range peers {
			if c := (cell{r, p}); c.can() {
				all = append(all, c)
			}
		}
	}
	return all
}

// result is what one child measured, as one line of JSON.
type result struct {
	Requests   int     `json:"requests"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"` // user and system, of the whole process
	Allocs     uint64  `json:"allocs"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	Error      string  `json:"error,omitempty"` // replaces everything else
}

func (r result) per(x float64) float64 {
	if r.Requests == 0 {
		return 0
	}
	return x / float64(r.Requests)
}

// The metrics of the table.
func cpuMicros(r result) float64 { return r.per(r.CPUSeconds * 1e6) }
func allocs(r result) float64    { return r.per(float64(r.Allocs)) }
func p50(r result) float64       { return r.P50 }
func p99(r result) float64       { return r.P99 }
func rate(r result) float64      { return float64(r.Requests) / max(r.Seconds, 1e-9) / 1e3 }

// median of some values; 0 of none.
func median(values []float64) float64 {
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	switch {
	case n == 0:
		return 0
	case n%2 == 1:
		return values[n/2]
	default:
		return (values[n/2-1] + values[n/2]) / 2
	}
}
