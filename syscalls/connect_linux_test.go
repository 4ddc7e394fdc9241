package syscalls_test

import (
	"errors"
	"net"
	"net/netip"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func newSocket(t *testing.T, ipv6 bool) int {
	t.Helper()
	fd, err := syscalls.SocketTCP(ipv6)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscalls.Close(fd) })
	return fd
}

func listen(t *testing.T, network, address string) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen(network, address)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	return ln.Addr().(*net.TCPAddr).AddrPort()
}

// connected waits for a connect under way and returns its outcome.
func connected(t *testing.T, fd int, err error) error {
	t.Helper()
	if err != unix.EINPROGRESS {
		return err
	}
	await(t, fd, unix.POLLOUT)
	return syscalls.SocketError(fd)
}

func TestSocketsAreNonBlockingAndCloseOnExec(t *testing.T) {
	countDescriptors(t)
	local, err := syscalls.SocketUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer syscalls.Close(local)
	for _, fd := range []int{newSocket(t, false), local} {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags %#x, %v, want FD_CLOEXEC", flags, err)
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
			t.Errorf("file flags %#x, %v, want O_NONBLOCK", flags, err)
		}
	}
}

func TestConnectInProgressThenConnected(t *testing.T) {
	for _, c := range []struct {
		name, network, address string
		dial                   func(netip.AddrPort) netip.AddrPort
	}{
		{"IPv4", "tcp4", "127.0.0.1:0", nil},
		{"IPv6", "tcp6", "[::1]:0", nil},
		{"mapped", "tcp4", "127.0.0.1:0", func(a netip.AddrPort) netip.AddrPort {
			return netip.AddrPortFrom(netip.AddrFrom16(a.Addr().As16()), a.Port())
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			countDescriptors(t)
			to := listen(t, c.network, c.address)
			if c.dial != nil {
				to = c.dial(to)
			}
			fd := newSocket(t, to.Addr().Is6())
			err := syscalls.Connect(fd, to)
			if err != nil && err != unix.EINPROGRESS {
				t.Fatalf("got %v, want EINPROGRESS itself or nil", err)
			}
			if err := connected(t, fd, err); err != nil {
				t.Fatal(err)
			}
			if got, err := syscalls.RemoteAddr(fd); got != to || err != nil {
				t.Errorf("remote: got %v, %v, want %v", got, err, to)
			}
			got, err := syscalls.LocalAddr(fd)
			if err != nil || got.Addr() != to.Addr() || got.Port() == 0 || got.Port() == to.Port() {
				t.Errorf("local: got %v, %v, want a port of %v", got, err, to.Addr())
			}
		})
	}
}

func TestConnectRefused(t *testing.T) {
	countDescriptors(t)
	// Bound, but not listening: nobody else can take the port meanwhile.
	holder := newSocket(t, false)
	if err := unix.Bind(holder, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	to, err := syscalls.LocalAddr(holder)
	if err != nil {
		t.Fatal(err)
	}
	fd := newSocket(t, false)
	if err := connected(t, fd, syscalls.Connect(fd, to)); !errors.Is(err, unix.ECONNREFUSED) {
		t.Errorf("got %v, want ECONNREFUSED", err)
	}
	if _, err := syscalls.RemoteAddr(fd); !errors.Is(err, unix.ENOTCONN) {
		t.Errorf("remote address: got %v, want ENOTCONN", err)
	}
}

func TestConnectStaysInProgress(t *testing.T) {
	countDescriptors(t)
	// A full queue leaves the next SYN unanswered: that is in progress for
	// as long as one likes.
	ln := newSocket(t, false)
	if err := unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(ln, 0); err != nil {
		t.Fatal(err)
	}
	to, err := syscalls.LocalAddr(ln)
	if err != nil {
		t.Fatal(err)
	}
	for range 64 {
		fd := newSocket(t, false)
		if err := syscalls.Connect(fd, to); err != unix.EINPROGRESS {
			t.Fatalf("got %v, want EINPROGRESS", err)
		}
		info, err := syscalls.GetTCPInfo(fd)
		if err != nil {
			t.Fatal(err)
		}
		if info.State != syscalls.TCPSynSent {
			continue // there was room yet
		}
		if info.RTT < 0 || info.MinRTT != 0 {
			t.Errorf("no sample yet, but RTT %v, MinRTT %v", info.RTT, info.MinRTT)
		}
		if closed, err := syscalls.PeerClosed(fd); closed || err != nil {
			t.Errorf("PeerClosed: got %v, %v, want false", closed, err)
		}
		if err := syscalls.Connect(fd, to); !errors.Is(err, unix.EALREADY) {
			t.Errorf("again: got %v, want EALREADY", err)
		}
		if _, err := syscalls.Write(fd, []byte("x")); !syscalls.IsRetry(err) {
			t.Errorf("write: got %v, want EAGAIN", err)
		}
		return
	}
	t.Error("64 connections went into a queue of 1")
}

func TestConnectRefusesBadAddresses(t *testing.T) {
	countDescriptors(t)
	fd := newSocket(t, false)
	if err := syscalls.Connect(fd, netip.AddrPort{}); !errors.Is(err, unix.EINVAL) {
		t.Errorf("zero: got %v, want EINVAL", err)
	}
	if err := syscalls.Connect(fd, netip.MustParseAddrPort("[fe80::1%no-such]:1")); !errors.Is(err, unix.ENODEV) {
		t.Errorf("zone: got %v, want ENODEV", err)
	}
	if err := syscalls.Connect(fd, netip.MustParseAddrPort("[::1]:1")); !errors.Is(err, unix.EAFNOSUPPORT) && !errors.Is(err, unix.EINVAL) {
		t.Errorf("IPv6 on IPv4: got %v, want EAFNOSUPPORT", err)
	}
}

func TestConnectLinkLocal(t *testing.T) {
	countDescriptors(t)
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, ifi := range interfaces {
		addrs, _ := ifi.Addrs()
		for _, a := range addrs {
			ip, ok := netip.AddrFromSlice(a.(*net.IPNet).IP)
			if !ok || !ip.Is6() || !ip.IsLinkLocalUnicast() {
				continue
			}
			ip = ip.WithZone(ifi.Name)
			to := listen(t, "tcp6", netip.AddrPortFrom(ip, 0).String())
			to = netip.AddrPortFrom(ip, to.Port()) // package net may drop the zone
			fd := newSocket(t, true)
			if err := connected(t, fd, syscalls.Connect(fd, to)); err != nil {
				t.Fatal(err)
			}
			if got, err := syscalls.RemoteAddr(fd); got != to || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, to)
			}
			return
		}
	}
	t.Skip("no link-local address on this machine")
}

func TestConnectUnix(t *testing.T) {
	countDescriptors(t)
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscalls.SocketUnix()
	if err != nil {
		t.Fatal(err)
	}
	defer syscalls.Close(fd)
	if err := syscalls.ConnectUnix(fd, path); !errors.Is(err, unix.ENOENT) {
		t.Errorf("nobody there: got %v, want ENOENT", err)
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if err := syscalls.ConnectUnix(fd, path); err != nil {
		t.Fatal(err)
	}
	if _, err := syscalls.LocalAddr(fd); !errors.Is(err, unix.EAFNOSUPPORT) {
		t.Errorf("LocalAddr: got %v, want EAFNOSUPPORT", err)
	}
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	if _, err := syscalls.Write(fd, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 8)
	if n, err := peer.Read(b); err != nil || string(b[:n]) != "hello" {
		t.Errorf("got %q, %v, want hello", b[:n], err)
	}
}
