//go:build linux && race

package kio_test

// stormNodes is how many brokers are in a storm. The race detector makes each some ten times dearer.
const stormNodes = 200
