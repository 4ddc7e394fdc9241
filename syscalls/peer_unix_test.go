//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"errors"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

// wantPeerClosed waits until PeerClosed says want: the peer's segment may
// still be on its way.
func wantPeerClosed(t *testing.T, fd int) {
	t.Helper()
	eventually(t, "PeerClosed", func() bool {
		closed, err := syscalls.PeerClosed(fd)
		if err != nil {
			t.Fatal(err)
		}
		return closed
	})
}

func wantPeerOpen(t *testing.T, fd int) {
	t.Helper()
	if closed, err := syscalls.PeerClosed(fd); closed || err != nil {
		t.Errorf("PeerClosed: got %v, %v, want false, nil", closed, err)
	}
}

func TestPeerClosedOpenConnection(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	wantPeerOpen(t, a.fd)
	if _, err := b.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	await(t, a.fd, unix.POLLIN)
	wantPeerOpen(t, a.fd)
	if got := readFull(t, a.fd, 6); string(got) != "unread" {
		t.Errorf("got %q afterwards: bytes were consumed", got)
	}
}

func TestPeerClosedAfterFIN(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	if err := b.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	wantPeerClosed(t, a.fd)
	wantPeerOpen(t, b.fd) // our FIN is not the peer's
	// LAST_ACK or further: the peer's FIN stays a fact after our own.
	if err := syscalls.ShutdownWrite(a.fd); err != nil {
		t.Fatal(err)
	}
	wantPeerClosed(t, a.fd)
	wantPeerClosed(t, b.fd)
}

func TestPeerClosedAfterFINBehindUnreadBytes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("seen on Linux only")
	}
	countDescriptors(t)
	a, b := tcpPair(t)
	if _, err := b.Write([]byte("unread")); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	wantPeerClosed(t, a.fd)
	if got := readFull(t, a.fd, 6); string(got) != "unread" {
		t.Errorf("got %q afterwards: bytes were consumed", got)
	}
	wantPeerClosed(t, a.fd)
}

func TestPeerClosedAfterRSTKeepsTheError(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	b.reset(t)
	wantPeerClosed(t, a.fd)
	if _, err := syscalls.Read(a.fd, make([]byte, 1)); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("read afterwards: got %v, want ECONNRESET", err)
	}
}

func TestPeerClosedAfterOwnFINOnly(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	if err := syscalls.ShutdownWrite(a.fd); err != nil {
		t.Fatal(err)
	}
	wantPeerOpen(t, a.fd)
}

func TestPeerClosedOnAUnixSocket(t *testing.T) {
	countDescriptors(t)
	a, b := unixPair(t)
	wantPeerOpen(t, a)
	if runtime.GOOS == "linux" {
		if _, err := syscalls.Write(b, []byte("unread")); err != nil {
			t.Fatal(err)
		}
	}
	wantPeerOpen(t, a)
	if err := syscalls.ShutdownWrite(b); err != nil {
		t.Fatal(err)
	}
	wantPeerClosed(t, a)
	wantPeerOpen(t, b)
}
