// Package suite holds the tests of kio that run against Apache Kafka itself. It has no code of its own.
//
//	make kafka-test                                  # starts a cluster, runs this, ends the cluster
//	go test -v ./suite                               # against what cmd/kafka has started
//	KAFKA_BROKERS=host:9092 go test -v ./suite       # against one's own: the tests that need PLAINTEXT alone
//	KAFKA_STATE=state.json go test -v ./suite        # against one's own, described as package cluster does
//
// Without a cluster every test is skipped, with one sentence that says why; with KAFKA_REQUIRED=1 that is a failure.
package suite
