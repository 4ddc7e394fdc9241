// Package responder is a very fast answering Kafka broker: the fixed point
// that clients are measured against.
//
//	r, err := responder.Start(responder.Config{Delay: 200 * time.Microsecond})
//	if err != nil {
//		return err
//	}
//	defer r.Close()
//	fmt.Println("listening on", r.Addrs())
//
// It understands request headers, not requests: each answer is encoded once
// at the start, for every API key and version that it serves, and a request
// costs a table look-up, a copy of its answer and four bytes of correlation
// id. Nothing is stored: whatever is produced is acknowledged at offset 0 and
// forgotten, every fetch returns the same records. A client that needs a
// broker with a memory wants kfake.
//
// # Model
//
// One goroutine accepts and [Config.Loops] goroutines serve, all of gnet's
// server. A connection belongs to one loop for its life. A loop answers all
// requests of one read with one write, in the order of the requests, and
// never blocks.
//
// # Answers
//
// ApiVersions v0-v4 (a newer one gets the v0 answer with
// UNSUPPORTED_VERSION, as KIP-511 asks), Metadata, Heartbeat, Produce (with
// acks=0: none), Fetch, InitProducerID in all versions that kmsg knows, and
// FindCoordinator v0-v3 (later ones would have to echo the keys of the
// request). The response header is v1 where the version is flexible, except
// for ApiVersions, where it is always v0. A request with another key, an
// unknown version, or a size outside of 8 bytes to
// [Config.MaxRequestBytes] ends its connection and is counted.
//
// # Delay
//
// With [Config.Delay] an answer leaves that long after its request was read.
// Go's timers are good to a millisecond on an idle Linux machine, so a loop
// that holds answers back does not sleep: it keeps one byte readable on a
// socket pair of its own, which makes each wait of the loop return at once,
// and looks at the clock every time around. Connections are served meanwhile.
// That costs a full core while an answer is less than 1 ms away; longer waits
// are slept by a goroutine of the loop except for the last 0.5 ms. Answers are
// late by one round of the loop: single microseconds with few connections.
//
// A process confined to one CPU should set GOMAXPROCS to at least 2 for delays
// over 1 ms, or that goroutine wakes up and finds no free P while its loop is
// asleep in epoll_wait.
//
// # Limits
//
// gnet ends its whole engine when accept fails for want of descriptors. So
// connections over [Config.MaxConnections] are closed as they arrive; a
// burst of them larger than the descriptors that are left still ends the
// engine, and [Responder.Done] and [Responder.Err] tell. A client that sends
// requests and does not read answers is cut off at 64 MiB of backlog.
// [Config.Delay] needs a Unix system.
package responder
