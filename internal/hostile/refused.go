package hostile

import (
	"net"
	"testing"
)

// Refused returns an address of 127.0.0.1 that refuses connections until the
// end of the test. Its port is held by the client's end of a connection: that
// of a listener which was closed could be given to somebody else meanwhile.
func Refused(tb testing.TB) string {
	tb.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	holder, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = holder.Close() })
	peer, err := ln.Accept() // without it the connection, and with it the port, would end with the listener
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = peer.Close() })
	return holder.LocalAddr().String()
}
