//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func TestDupKeepsTheSocketAfterClose(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	dup, err := syscalls.Dup(a.fd)
	if err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(dup), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v, want FD_CLOEXEC", flags, err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := syscalls.Write(dup, []byte("still here")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, b.fd, 10); string(got) != "still here" {
		t.Errorf("got %q", got)
	}
	if closed, err := syscalls.PeerClosed(b.fd); closed || err != nil {
		t.Errorf("peer closed: got %v, %v, want false", closed, err)
	}
	if err := syscalls.Close(dup); err != nil {
		t.Fatal(err)
	}
	await(t, b.fd, unix.POLLIN)
	if n, err := syscalls.Read(b.fd, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("after the last close: got %d, %v, want the end", n, err)
	}
}

func TestDupAndCloseOfABadDescriptor(t *testing.T) {
	if fd, err := syscalls.Dup(-1); fd != -1 || !errors.Is(err, unix.EBADF) {
		t.Errorf("Dup: got %d, %v, want -1, EBADF", fd, err)
	}
	if err := syscalls.Close(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("Close: got %v, want EBADF", err)
	}
	if err := syscalls.SocketError(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("SocketError: got %v, want EBADF", err)
	}
	if _, err := syscalls.PeerClosed(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("PeerClosed: got %v, want EBADF", err)
	}
}

func TestShutdownWriteLeavesReading(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	if err := syscalls.ShutdownWrite(a.fd); err != nil {
		t.Fatal(err)
	}
	await(t, b.fd, unix.POLLIN)
	if n, err := syscalls.Read(b.fd, make([]byte, 1)); n != 0 || err != nil {
		t.Fatalf("peer: got %d, %v, want the end", n, err)
	}
	if _, err := syscalls.Write(b.fd, []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if got := readFull(t, a.fd, 6); string(got) != "answer" {
		t.Errorf("got %q, want answer", got)
	}
	if _, err := syscalls.Write(a.fd, []byte("x")); !errors.Is(err, unix.EPIPE) {
		t.Errorf("write after it: got %v, want EPIPE", err)
	}
}

func TestShutdownEndsBothWhileADuplicateIsOpen(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	dup, err := syscalls.Dup(a.fd)
	if err != nil {
		t.Fatal(err)
	}
	defer syscalls.Close(dup)
	if err := syscalls.Shutdown(a.fd); err != nil {
		t.Fatal(err)
	}
	if n, err := syscalls.Read(dup, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("own end: got %d, %v, want the end", n, err)
	}
	await(t, b.fd, unix.POLLIN)
	if n, err := syscalls.Read(b.fd, make([]byte, 1)); n != 0 || err != nil {
		t.Errorf("peer: got %d, %v, want the end", n, err)
	}
}

func TestSocketErrorIsGivenOnce(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	if err := syscalls.SocketError(a.fd); err != nil {
		t.Errorf("healthy: got %v, want nil", err)
	}
	b.reset(t)
	await(t, a.fd, unix.POLLIN)
	if err := syscalls.SocketError(a.fd); !errors.Is(err, unix.ECONNRESET) {
		t.Errorf("reset: got %v, want ECONNRESET", err)
	}
	if err := syscalls.SocketError(a.fd); err != nil {
		t.Errorf("again: got %v, want nil", err)
	}
}
