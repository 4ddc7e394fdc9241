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
	ours      = "kafkaio"
	oursRaw   = "kafkaio/raw"   // RoundTrip of bytes in place of Request
	oursNever = "kafkaio/never" // without busy polling
	oursGnet  = "kafkaio/gnet"  // on the gnet driver
	oursDelay = "kafkaio/delay" // with moderated wake-ups
	franzGo   = "franz-go"
	sarama    = "sarama"
	kafkaGo   = "kafka-go"
)

// usualPeers are those of a full run.
var (
	usualPeers = []string{ours, oursRaw, franzGo, sarama, kafkaGo}
	allPeers   = append(slices.Clone(usualPeers), oursNever, oursGnet, oursDelay)
)

func isOurs(peer string) bool { return strings.HasPrefix(peer, ours) }

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
