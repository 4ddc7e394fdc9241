package syscalls

import (
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"
)

const socketFlags = unix.SOCK_STREAM | unix.SOCK_NONBLOCK | unix.SOCK_CLOEXEC

// SocketTCP returns a new TCP socket, non-blocking and closed on exec. The
// caller owns it. For [Connect] to addr, ipv6 is addr.Addr().Is6().
func SocketTCP(ipv6 bool) (int, error) {
	family := unix.AF_INET
	if ipv6 {
		family = unix.AF_INET6
	}
	return unix.Socket(family, socketFlags, unix.IPPROTO_TCP)
}

// SocketUnix returns a new Unix-domain stream socket, non-blocking and closed
// on exec. The caller owns it.
func SocketUnix() (int, error) { return unix.Socket(unix.AF_UNIX, socketFlags, 0) }

// Connect starts to connect the socket fd to addr. It does not wait: nil is
// connected already, unix.EINPROGRESS is under way. The latter ends with fd
// writable, and [SocketError] then tells how.
//
// The zone of an IPv6 address may be the name or the number of an interface;
// one that does not exist is unix.ENODEV. The zero AddrPort is unix.EINVAL.
func Connect(fd int, addr netip.AddrPort) error {
	ip := addr.Addr()
	var sa unix.Sockaddr
	switch {
	case !ip.IsValid():
		return unix.EINVAL
	case ip.Is4():
		sa = &unix.SockaddrInet4{Port: int(addr.Port()), Addr: ip.As4()}
	default: // IPv6, and IPv4 mapped into it
		index, err := zoneIndex(fd, ip.Zone())
		if err != nil {
			return err
		}
		sa = &unix.SockaddrInet6{Port: int(addr.Port()), ZoneId: index, Addr: ip.As16()}
	}
	return connectTo(fd, sa)
}

// ConnectUnix starts to connect the socket fd to the listener at path; a path
// that begins with @ is in the abstract namespace. A listener whose queue is
// full gives unix.EAGAIN, and then nothing is under way.
func ConnectUnix(fd int, path string) error {
	return connectTo(fd, &unix.SockaddrUnix{Name: path})
}

func connectTo(fd int, sa unix.Sockaddr) error {
	err := unix.Connect(fd, sa)
	if err == unix.EINTR {
		// The attempt goes on without us (connect(2), POSIX), and to call
		// again would give EALREADY.
		return unix.EINPROGRESS
	}
	return err
}

// zoneIndex returns the number of the interface that zone names, 0 for "".
func zoneIndex(fd int, zone string) (uint32, error) {
	if zone == "" {
		return 0, nil
	}
	if req, err := unix.NewIfreq(zone); err == nil {
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFINDEX, req); err == nil {
			return req.Uint32(), nil
		}
	}
	// No such name, so perhaps a number.
	index, err := strconv.ParseUint(zone, 10, 31)
	if err != nil || index == 0 {
		return 0, unix.ENODEV
	}
	return uint32(index), nil
}

// zoneName is the inverse of zoneIndex. An interface that is gone keeps its
// number.
func zoneName(fd int, index uint32) string {
	if index == 0 {
		return ""
	}
	if req, err := unix.NewIfreq(""); err == nil {
		req.SetUint32(index)
		if err := unix.IoctlIfreq(fd, unix.SIOCGIFNAME, req); err == nil {
			return req.Name()
		}
	}
	return strconv.FormatUint(uint64(index), 10)
}
