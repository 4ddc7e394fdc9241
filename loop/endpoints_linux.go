package loop

import (
	"net"
	"net/netip"

	"kafkaio/syscalls"
)

// endpoints are the addresses of a connection's two ends, in the 64 bytes of two netip.AddrPorts: ten thousand connections need not hold the pointers,
// slices and strings of net.TCPAddr that hardly anybody asks for.
type endpoints struct {
	local, peer netip.AddrPort // both invalid for a Unix socket
}

// endpointsOf asks the kernel for the address of this end.
func endpointsOf(to target, fd int) endpoints {
	e := endpoints{peer: to.addr}
	if to.path == "" && fd >= 0 {
		e.local, _ = syscalls.LocalAddr(fd)
	}
	return e
}

// endpointsOfConn takes the addresses of a connection that somebody else has made.
func endpointsOfConn(nc net.Conn) endpoints {
	var e endpoints
	if a, ok := nc.LocalAddr().(*net.TCPAddr); ok {
		e.local = a.AddrPort()
	}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		e.peer = a.AddrPort()
	}
	return e
}

func (e endpoints) addrs() (local, remote net.Addr) { return netAddr(e.local), e.remote() }

func (e endpoints) remote() net.Addr { return netAddr(e.peer) }

func netAddr(a netip.AddrPort) net.Addr {
	if !a.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(a)
}
