//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func option(t *testing.T, fd, level, name int) int {
	t.Helper()
	v, err := unix.GetsockoptInt(fd, level, name)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestSetNoDelay(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	for _, on := range []bool{false, true, false} { // package net starts with true
		if err := syscalls.SetNoDelay(a.fd, on); err != nil {
			t.Fatal(err)
		}
		if got := option(t, a.fd, unix.IPPROTO_TCP, unix.TCP_NODELAY) != 0; got != on {
			t.Errorf("got %v, want %v", got, on)
		}
	}
}

func TestSetBuffers(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	const bytes = 32 << 10
	if err := syscalls.SetReadBuffer(a.fd, bytes); err != nil {
		t.Fatal(err)
	}
	if err := syscalls.SetWriteBuffer(a.fd, 2*bytes); err != nil {
		t.Fatal(err)
	}
	// Linux doubles, the others do not.
	if got := option(t, a.fd, unix.SOL_SOCKET, unix.SO_RCVBUF); got != bytes && got != 2*bytes {
		t.Errorf("SO_RCVBUF: got %d, want %d or twice that", got, bytes)
	}
	if got := option(t, a.fd, unix.SOL_SOCKET, unix.SO_SNDBUF); got != 2*bytes && got != 4*bytes {
		t.Errorf("SO_SNDBUF: got %d, want %d or twice that", got, 2*bytes)
	}
}

func TestDisableKeepAlive(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	if err := syscalls.SetKeepAlive(a.fd, 0, 0, 0); err != nil {
		t.Fatal(err)
	}
	if option(t, a.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 0 {
		t.Error("off after SetKeepAlive")
	}
	if err := syscalls.DisableKeepAlive(a.fd); err != nil {
		t.Fatal(err)
	}
	if option(t, a.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0 {
		t.Error("on after DisableKeepAlive")
	}
}

func TestSetKeepAliveRefusesNegativeValues(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	if err := syscalls.DisableKeepAlive(a.fd); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		idle, interval time.Duration
		count          int
	}{{-1, 0, 0}, {0, -1, 0}, {0, 0, -1}} {
		if err := syscalls.SetKeepAlive(a.fd, c.idle, c.interval, c.count); err != unix.EINVAL {
			t.Errorf("%+v: got %v, want EINVAL", c, err)
		}
	}
	if option(t, a.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0 {
		t.Error("a refused call turned keepalive on")
	}
}
