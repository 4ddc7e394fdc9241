// Package kio is what a Kafka client calls to reach its brokers: blocking calls with deadlines over connections that live on a few event loops.
package kio
