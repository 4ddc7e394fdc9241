// Package kafkaio is the transport under a Kafka client: thousands of broker
// sockets on a few event loops, streams cut into size-prefixed frames, and
// plain blocking calls with deadlines on top.
//
// This package is empty; the code is in its folders, and imports point only
// downwards:
//
//	stress    the command: loads and probes clusters
//	  kio     what a user calls: Conn, Broker, Cluster, Dialer
//	    loop  event loops, connections, in-flight queue, deadlines
//	      frame     bytes: the size prefix, headers, limits
//	      syscalls  descriptors: system calls and socket options
//
// To embed it, start with kafkaio/kio. The packages below internal/ serve the
// tests. The folders kio/kioprom, which gives statistics to Prometheus,
// stress/peers, stress/kafka and tools are modules of their own, so that their
// dependencies do not become those of the library.
//
// The tests of this package check the house itself: which package may import
// which, that each explains itself in its doc.go, and that the programs in
// README.md compile.
package kafkaio
