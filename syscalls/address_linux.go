package syscalls

import (
	"net/netip"

	"golang.org/x/sys/unix"
)

// LocalAddr returns the address to which the TCP socket fd is bound, as the
// kernel gives it: an IPv4 address on an IPv6 socket comes mapped. A socket of
// another family gives unix.EAFNOSUPPORT.
func LocalAddr(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addrPort(fd, sa)
}

// RemoteAddr returns the address of the peer of the TCP socket fd, in the form
// of [LocalAddr]. A socket without a peer gives unix.ENOTCONN.
func RemoteAddr(fd int) (netip.AddrPort, error) {
	sa, err := unix.Getpeername(fd)
	if err != nil {
		return netip.AddrPort{}, err
	}
	return addrPort(fd, sa)
}

func addrPort(fd int, sa unix.Sockaddr) (netip.AddrPort, error) {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)), nil
	case *unix.SockaddrInet6:
		ip := netip.AddrFrom16(sa.Addr).WithZone(zoneName(fd, sa.ZoneId))
		return netip.AddrPortFrom(ip, uint16(sa.Port)), nil
	}
	return netip.AddrPort{}, unix.EAFNOSUPPORT
}
