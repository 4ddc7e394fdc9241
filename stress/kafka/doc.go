// Package kafka says which Apache Kafka this module runs, and holds the Maven project that resolves it.
//
// The commands and packages below do the work: cmd/kafka starts and ends brokers, suite tests kio against them, bench compares clients on them. See
// README.md.
package kafka
