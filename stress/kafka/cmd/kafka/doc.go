// Command kafka starts Apache Kafka itself on this machine, for tests and benchmarks, and ends it again.
//
//	go run ./cmd/kafka up -nodes 3
//	go run ./cmd/kafka status
//	go run ./cmd/kafka restart -node 2
//	go run ./cmd/kafka down
//	go run ./cmd/kafka with -nodes 3 -- go test -count=1 ./suite
//	go run ./cmd/kafka able
//
// with runs a command on the cluster that is up or that KAFKA_BROKERS names, else on one that is started before it and ended after it. able says why a
// cluster cannot be started here: without Java, or without the jars and Maven.
//
// The exit code is 0 if the command did what it says, 1 if not; status has 0 only if all nodes answer.
package main
