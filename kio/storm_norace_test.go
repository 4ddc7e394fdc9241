//go:build linux && !race

package kio_test

// stormNodes is how many brokers are in a storm.
const stormNodes = 1000
