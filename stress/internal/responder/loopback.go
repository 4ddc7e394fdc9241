package responder

import (
	"fmt"
	"net"
	"strconv"
)

const (
	// loopbackRow is how many hosts of 127.0.x.0/24 are used: guessed, short of those that some systems treat in a way of their own.
	loopbackRow = 250

	// maxLoopback is what fits into 127.0.0.0/16.
	maxLoopback = 256 * loopbackRow

	// portTries is how many ports Loopback looks at. Guessed: one is taken on one of the addresses now and then, by somebody's connection.
	portTries = 20
)

// Loopback finds n addresses on this machine, for [Config.Addrs] or to advertise: 127.0.0.1 and upwards, all with one port that was free on each. Linux and
// Windows have them without being asked; elsewhere n is 1 unless somebody has configured more.
func Loopback(n int) ([]string, error) {
	if n < 1 || n > maxLoopback {
		return nil, fmt.Errorf("responder: %d loopback addresses, must be 1 to %d", n, maxLoopback)
	}
	var last error
	for range portTries {
		addrs, err := tryLoopback(n)
		if err == nil {
			return addrs, nil
		}
		last = err
	}
	return nil, fmt.Errorf("responder: no port is free on %d loopback addresses: %w", n, last)
}

// tryLoopback looks at one port.
func tryLoopback(n int) ([]string, error) {
	first, err := net.Listen("tcp4", net.JoinHostPort(loopbackHost(0), "0"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = first.Close() }() // it has accepted nothing
	port := first.Addr().(*net.TCPAddr).Port
	addrs := []string{first.Addr().String()}
	for i := 1; i < n; i++ {
		addr := net.JoinHostPort(loopbackHost(i), strconv.Itoa(port))
		ln, err := net.Listen("tcp4", addr)
		if err != nil {
			return nil, err
		}
		if err := ln.Close(); err != nil { // one descriptor at a time: there may be thousands of addresses
			return nil, err
		}
		addrs = append(addrs, addr)
	}
	return addrs, nil
}

// loopbackHost is the i-th host.
func loopbackHost(i int) string { return fmt.Sprintf("127.0.%d.%d", i/loopbackRow, 1+i%loopbackRow) }
