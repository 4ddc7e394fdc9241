package work

import (
	"slices"
	"strings"
	"time"
)

// API is how our own client is called; the others have one way only.
type API int

// The ways.
const (
	RoundTrip API = iota // blocking, a goroutine a caller
	Submit               // callbacks on the loop, no goroutine
)

// Security is what connections speak.
type Security int

// The kinds of it.
const (
	Plaintext Security = iota
	TLS                // 1.3, the server has a certificate, as Java's brokers speak it
	HybridTLS          // with the post-quantum key exchange that Go's servers prefer
	MutualTLS          // as TLS, and the client has a certificate too
)

// Sizes of the records in answers.
const (
	largeBytes  = 1 << 20
	middleBytes = 100 << 10
)

// Work is one row group of the table.
type Work struct {
	Name  string
	Title string

	// Conns connections and Callers calls in flight over all of them. A
	// peer that cannot multiplex opens a connection a caller.
	Conns   int
	Callers int
	API     API

	FetchBytes int // Fetch answers with records of that size instead of Heartbeats
	Security   Security

	Idle    bool // connections are opened and left alone
	Answers int  // after each has had so many answers
	Busy    bool // instead of being left alone, each is weighed with a request in flight

	// Brokers is how many brokers one client object knows, each at an address
	// of its own, with a connection to each; 0: connections are opened one by
	// one.
	Brokers int

	Setup   bool // connections are opened, and that is what is measured
	Dialers int  // so many of them at a time; 0 is what peer has

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
	OursGnet      = "kafkaio/gnet"
	OursEpoll     = "kafkaio/epoll"
	OursVersions  = "kafkaio/versions"
	FranzGo       = "franz-go"
	Sarama        = "sarama"
	KafkaGo       = "kafka-go"
	CryptoTLS     = "cryptotls"
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
		Pinned:   []string{Ours, OursBusy, OursNever, OursGnet, OursEpoll, FranzGo, Sarama, KafkaGo, NetConn, CSpin, CBlock},
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
		Pinned:   []string{Ours, OursGnet, OursEpoll, NetConn, CEpollMany},
		Unpinned: []string{Ours, NetConn, CEpollMany},
	},
	{
		Name: "conns4000-submit", Title: "4,000 connections, one request in flight each, by Submit: CPU",
		Conns: 4000, Callers: 4000, API: Submit, Metric: CPU,
		Pinned:   []string{Ours, OursGnet, OursEpoll, NetConn, CEpollMany},
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
		Pinned: []string{Ours, OursGnet, OursEpoll, OursVersions, FranzGo, Sarama, KafkaGo, NetConn, NetConnReader},
	},
	{
		Name: "brokers1000-idle", Title: "one client, an idle connection to each of 1,000 brokers: memory of each",
		Conns: manyBrokers, Brokers: manyBrokers, Idle: true, Metric: Memory, Rounds: 1,
		Pinned: []string{Ours, OursGnet, FranzGo, Sarama, KafkaGo},
	},
	{
		Name: "brokers1000-busy", Title: "one client, 1,000 brokers, a request in flight on the connection to each, ours by Submit: memory of each",
		Conns: manyBrokers, Brokers: manyBrokers, Callers: manyBrokers, Idle: true, Busy: true, API: Submit, Metric: Memory, Rounds: 1,
		Pinned: []string{Ours, OursGnet, FranzGo, Sarama, KafkaGo},
	},
	{
		Name: "brokers1000-busy-rt", Title: "brokers1000-busy, ours by a goroutine a request as the others: memory of each",
		Conns: manyBrokers, Brokers: manyBrokers, Callers: manyBrokers, Idle: true, Busy: true, Metric: Memory, Rounds: 1,
		Pinned: []string{Ours, FranzGo, Sarama, KafkaGo},
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
		Conns: 1, Callers: 1, API: Submit, FetchBytes: largeBytes, Metric: CPUMiB, WindowShare: 0.5,
		Pinned: []string{Ours, NetConn, CRawRead},
	},
	{
		Name: "large1m-rt", Title: "answers of 1 MiB, one request in flight, by RoundTrip: CPU",
		Conns: 1, Callers: 1, FetchBytes: largeBytes, Metric: CPUMiB, WindowShare: 0.5,
		Pinned: []string{Ours, FranzGo, CRawRead},
	},
	{
		Name: "tls-idle-small", Title: "2,000 idle TLS connections after small answers: memory of each",
		Conns: 2000, Idle: true, Answers: 2, Security: TLS, Dialers: tlsDialers, Metric: Memory, Rounds: 1,
		Pinned: []string{Ours, OursGnet, FranzGo, CryptoTLS},
	},
	{
		Name: "tls-idle-100k", Title: "2,000 idle TLS connections after answers of 100 KiB: memory of each",
		Conns: 2000, Idle: true, Answers: 2, FetchBytes: middleBytes, Security: TLS, Dialers: tlsDialers, Metric: Memory, Rounds: 1,
		Pinned: []string{Ours, OursGnet, FranzGo, CryptoTLS},
	},
	{
		Name: "tls-idle-hybrid", Title: "tls-idle-small after the post-quantum key exchange: memory of each",
		Conns: 2000, Idle: true, Answers: 2, Security: HybridTLS, Dialers: tlsDialers, Metric: Memory, Rounds: 1,
		Pinned: []string{Ours, CryptoTLS},
	},
	{
		Name: "tls16-rt", Title: "16 TLS connections, a goroutine and a request in flight each, by RoundTrip: round trips",
		Conns: 16, Callers: 16, Security: TLS, Dialers: tlsDialers, Metric: Rate, WindowShare: 0.5,
		Pinned: []string{Ours, FranzGo, CryptoTLS},
	},
	{
		Name: "tls16-submit", Title: "16 TLS connections, one request in flight each, by Submit: round trips",
		Conns: 16, Callers: 16, API: Submit, Security: TLS, Dialers: tlsDialers, Metric: Rate, WindowShare: 0.5,
		Pinned: []string{Ours, CryptoTLS},
	},
	{
		Name: "tls500-rt", Title: "500 TLS connections, a goroutine and a request in flight each, by RoundTrip: round trips",
		Conns: 500, Callers: 500, Security: TLS, Dialers: tlsDialers, Metric: Rate, WindowShare: 0.5,
		Pinned: []string{Ours, FranzGo, CryptoTLS},
	},
	{
		Name: "tls500-submit", Title: "500 TLS connections, one request in flight each, by Submit: round trips",
		Conns: 500, Callers: 500, API: Submit, Security: TLS, Dialers: tlsDialers, Metric: Rate, WindowShare: 0.5,
		Pinned: []string{Ours, CryptoTLS},
	},
	{
		Name: "tls-setup", Title: "1,000 connections opened over mutual TLS, 16 at a time: CPU of each",
		Conns: 1000, Callers: 1000, Setup: true, Security: MutualTLS, Dialers: tlsDialers, Metric: CPUConn, Rounds: 3,
		Pinned: []string{Ours, FranzGo, CryptoTLS},
	},
}

// manyBrokers is how many brokers a large monitor looks after.
const manyBrokers = 1000

// tlsDialers is how many handshakes all peers have under way: ours would not
// have more than 8 for a CPU anyway.
const tlsDialers = 16

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
	if w.Security != Plaintext {
		return peer == CryptoTLS || peer == FranzGo || IsOurs(peer)
	}
	if w.Brokers > 0 {
		return slices.Contains(Clients, peer) || IsOurs(peer)
	}
	large := w.FetchBytes > 0
	switch peer {
	case CryptoTLS:
		return false
	case CSpin, CBlock:
		return one && w.Callers == 1 && !large && !w.Idle
	case CEpollPipe:
		return one && !large && !w.Idle
	case CEpollMany:
		return !large && !w.Idle && w.Conns == w.Callers
	case CRawRead:
		return large
	case NetConn:
		return w.Idle || w.Conns == w.Callers
	case NetConnReader:
		return !large
	case Sarama:
		return !large
	case KafkaGo:
		return !large && (one || w.Idle)
	}
	return true
}

// IsOurs says whether a peer is a variant of ours.
func IsOurs(peer string) bool { return peer == Ours || strings.HasPrefix(peer, Ours+"/") }
