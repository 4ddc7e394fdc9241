// Package kio is what a Kafka client calls to reach its brokers: blocking calls with deadlines over connections that live on a few event loops.
//
//	b, err := kio.DialBroker(ctx, "broker:9092", kio.Config{})
//	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, b)
//
// A [Cluster] holds connections to many brokers, of one Kafka cluster or of none, and connects again when they have ended. A [Broker] is a pipelined connection to
// one, shared by any number of goroutines. A [Conn] carries bytes, after the Perl module Kafka::IO, and is a
// net.Conn; a [Dialer] gives such connections to other clients. All live on an [Engine], by default one that the whole process shares.
//
// # Model
//
// Calls block their goroutine and nothing else. Who calls writes to the socket itself, and for all others who want to write at that moment; answers are read
// by an event loop, which wakes the caller. An idle connection has no goroutine and no buffer. Callbacks of Submit run on the loop and must not block.
//
// # Reach
//
// Config.MapAddr connects elsewhere than a broker's address says, for tunnels and NAT, and [SOCKS5] through a proxy; the broker keeps its name for TLS, SASL and
// errors. Addresses may name Unix sockets: unix:/path.
//
// # Deadlines
//
// One deadline covers all of a call: waiting for room, sending, waiting for the answer; for a dial, everything until the connection is open. It is the context's,
// or Config.Timeout where the context has none. A request that is given up leaves its connection usable: the late answer is dropped.
//
// # Buffers
//
// Requests and messages are borrowed until the call returns. Answers belong to the caller, except in callbacks of Submit, which borrow them.
//
// # Errors
//
// Every error is an [*Error] with the class that Kafka::IO gave it, the bytes moved and the cause. Its SafeToRetry is true only if no byte of the request can have
// reached the broker.
//
// # Watching
//
// Config.Hooks are told what happens, Config.Logger of the life of connections, and Stats of a Broker, a Cluster or an Engine gives counts, errors by class and what the kernel
// knows of the line. The module kafkaio/kio/kioprom gives all of it to Prometheus.
//
// # Limits
//
// [Config] bounds what a connection holds: requests in flight, bytes waiting to be sent, the size of answers. What does not fit waits within its deadline or is
// refused with [ErrQueueFull]; memory follows the bytes that really arrive. [EngineConfig] bounds what all connections hold together, and how Clusters connect.
package kio
