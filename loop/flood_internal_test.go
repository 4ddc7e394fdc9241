package loop

import (
	"net"
	"net/netip"
	"sync"
	"testing"
)

// floodingListener sends bytes without end to whoever connects, until stop.
func floodingListener(t *testing.T) (addr netip.AddrPort, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }()
				piece := make([]byte, 64<<10)
				for {
					if _, err := c.Write(piece); err != nil {
						return
					}
				}
			})
		}
	})
	return ln.Addr().(*net.TCPAddr).AddrPort(), func() { _ = ln.Close(); wg.Wait() }
}
