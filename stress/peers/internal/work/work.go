package work

import (
	"slices"
	"time"
)

// API is how our own client is called; the others have one way only.
type API int

// The ways.
const (
	RoundTrip API = iota // blocking, a goroutine a caller
	Submit               // callbacks on the loop, no goroutine
)

// LargeBytes is the size of the records in an answer of the large works.
const LargeBytes = 1 << 20

// Work is one row group of the table.
type Work struct {
	Name  string
	Title string

	// Conns connections and Callers calls in flight over all of them. A
	// peer that cannot multiplex opens a connection a caller.
	Conns   int
	Callers int
	API     API
	Large   bool // Fetch answers of LargeBytes instead of Heartbeats
	Idle    bool // connections are opened and left alone

	Metric Metric

	// Pinned and Unpinned are the peers of a full run in each mode; none:
	// the work is not part of it.
	Pinned   []string
	Unpinned []string

	// Rounds and WindowShare reduce a full run where the figure is steady:
	// at most that many rounds (0: all), that share of the window (0: 1).
	Rounds      int
	WindowShare float64
}

// Names of peers, apart from the variants of our own, which all begin with
// Ours.
const (
	Ours          = "kafkaio"
	OursBusy      = "kafkaio/busy"
	OursNever     = "kafkaio/never"
	FranzGo       = "franz-go"
	Sarama        = "sarama"
	KafkaGo       = "kafka-go"
	NetConn       = "netconn"
	NetConnReader = "netconn-reader"
	CSpin         = "c-spin"
	CBlock        = "c-block"
	CEpollMany    = "c-epoll-many"
	CEpollPipe    = "c-epoll-pipe"
	CRawRead      = "c-rawread"
)

// Clients are the Kafka clients among the peers.
var Clients = []string{FranzGo, Sarama, KafkaGo}

// Yardsticks maps the peers written in C to their modes.
var Yardsticks = map[string]string{
	CSpin: "spin", CBlock: "block", CEpollMany: "epoll-many", CEpollPipe: "epoll-pipe", CRawRead: "rawread",
}

// All lists the works in the order of the table.
var All = []Work{
	{
		Name: "rtt-1", Title: "one connection, one caller: latency of a round trip",
		Conns: 1, Callers: 1, Metric: P50,
		Pinned:   []string{Ours, OursBusy, OursNever, FranzGo, Sarama, KafkaGo, NetConn, CSpin, CBlock},
		Unpinned: []string{Ours, OursBusy, OursNever, NetConn, CSpin},
	},
	{
		Name: "conn1-callers16", Title: "one connection, 16 callers: round trips",
		Conns: 1, Callers: 16, Metric: Rate,
		Pinned: []string{Ours, OursBusy, FranzGo, CEpollPipe},
	},
	{
		Name: "conn1-callers64", Title: "one connection, 64 callers: round trips",
		Conns: 1, Callers: 64, Metric: Rate,
		Pinned:   []string{Ours, OursBusy, FranzGo, Sarama, KafkaGo, NetConnReader, CEpollPipe},
		Unpinned: []string{Ours, OursBusy, OursNever, FranzGo, CEpollPipe},
	},
	{
		Name: "conn1-callers256", Title: "one connection, 256 callers: round trips",
		Conns: 1, Callers: 256, Metric: Rate,
		Pinned:   []string{Ours, OursBusy, FranzGo, Sarama, KafkaGo, NetConnReader, CEpollPipe},
		Unpinned: []string{Ours, OursBusy, OursNever, CEpollPipe},
	},
	{
		Name: "conns256-submit", Title: "256 connections, one request in flight each, by Submit: CPU",
		Conns: 256, Callers: 256, API: Submit, Metric: CPU,
		Pinned:   []string{Ours, NetConn, CEpollMany},
		Unpinned: []string{Ours, NetConn, CEpollMany},
	},
	{
		Name: "conns4000-submit", Title: "4,000 connections, one request in flight each, by Submit: CPU",
		Conns: 4000, Callers: 4000, API: Submit, Metric: CPU,
		Pinned:   []string{Ours, NetConn, CEpollMany},
		Unpinned: []string{Ours, NetConn, CEpollMany},
	},
	{
		Name: "conns256-rt", Title: "256 connections, a goroutine and a request in flight each, by RoundTrip: CPU",
		Conns: 256, Callers: 256, Metric: CPU,
		Pinned: []string{Ours, FranzGo, NetConn, CEpollMany},
	},
	{
		Name: "conns4000-rt", Title: "4,000 connections, a goroutine and a request in flight each, by RoundTrip: CPU",
		Conns: 4000, Callers: 4000, Metric: CPU,
		Pinned: []string{Ours, NetConn, CEpollMany},
	},
	{
		Name: "idle10000", Title: "10,000 idle connections: memory of each",
		Conns: 10_000, Idle: true, Metric: Memory, Rounds: 1,
		Pinned: []string{Ours, FranzGo, Sarama, KafkaGo, NetConn, NetConnReader},
	},
	{
		Name: "alloc-submit", Title: "one connection, one request in flight, by Submit: allocations",
		Conns: 1, Callers: 1, API: Submit, Metric: Allocs, Rounds: 1, WindowShare: 0.5,
		Pinned: []string{Ours},
	},
	{
		Name: "alloc-rt", Title: "one connection, one request in flight, by RoundTrip: allocations",
		Conns: 1, Callers: 1, Metric: Allocs, Rounds: 1, WindowShare: 0.5,
		Pinned: []string{Ours, FranzGo, Sarama, KafkaGo, NetConnReader},
	},
	{
		Name: "large1m-submit", Title: "answers of 1 MiB, one request in flight, by Submit: CPU",
		Conns: 1, Callers: 1, API: Submit, Large: true, Metric: CPUMiB, WindowShare: 0.5,
		Pinned: []string{Ours, NetConn, CRawRead},
	},
	{
		Name: "large1m-rt", Title: "answers of 1 MiB, one request in flight, by RoundTrip: CPU",
		Conns: 1, Callers: 1, Large: true, Metric: CPUMiB, WindowShare: 0.5,
		Pinned: []string{Ours, FranzGo, CRawRead},
	},
}

// Find returns the work of a name.
func Find(name string) (Work, bool) {
	i := slices.IndexFunc(All, func(w Work) bool { return w.Name == name })
	if i < 0 {
		return Work{}, false
	}
	return All[i], true
}

// Shorten returns the durations of a work in a run that asked for d.
func (w Work) Shorten(d Durations) Durations {
	if w.WindowShare > 0 {
		d.Window = time.Duration(float64(d.Window) * w.WindowShare)
	}
	return d
}

// Can says whether a peer can do a work at all.
func (w Work) Can(peer string) bool {
	one := w.Conns == 1
	switch peer {
	case CSpin, CBlock:
		return one && w.Callers == 1 && !w.Large && !w.Idle
	case CEpollPipe:
		return one && !w.Large && !w.Idle
	case CEpollMany:
		return !w.Large && !w.Idle && w.Conns == w.Callers
	case CRawRead:
		return w.Large
	case NetConn:
		return w.Idle || w.Conns == w.Callers
	case NetConnReader:
		return !w.Large
	case Sarama:
		return !w.Large
	case KafkaGo:
		return !w.Large && (one || w.Idle)
	}
	return true
}
