//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"errors"
	"net"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

// patience bounds every wait of these tests; only a failing one uses it up.
const patience = 10 * time.Second

func TestMain(m *testing.M) {
	// The runtime's poller keeps descriptors of its own from the first socket
	// on: have them before anything is counted.
	if ln, err := net.Listen("tcp", "127.0.0.1:0"); err == nil {
		_ = ln.Close()
	}
	os.Exit(m.Run())
}

// countDescriptors fails the test if it ends with other descriptors open than
// it began with. Call it before the test opens anything.
func countDescriptors(t testing.TB) {
	t.Helper()
	before, err := syscalls.OpenDescriptors()
	if errors.Is(err, errors.ErrUnsupported) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if after, err := syscalls.OpenDescriptors(); err != nil || after != before {
			t.Errorf("descriptors open: %d before, %d after (%v)", before, after, err)
		}
	})
}

// end is one end of a TCP connection. The net.Conn owns the descriptor.
type end struct {
	*net.TCPConn
	fd int
}

// tcpPair returns both ends of a loopback connection, closed with the test.
func tcpPair(t testing.TB) (a, b end) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dialled, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	accepted, err := ln.Accept()
	if err != nil {
		_ = dialled.Close()
		t.Fatal(err)
	}
	return ownedEnd(t, dialled), ownedEnd(t, accepted)
}

func ownedEnd(t testing.TB, c net.Conn) end {
	t.Helper()
	tcp := c.(*net.TCPConn)
	t.Cleanup(func() { _ = tcp.Close() })
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	e := end{TCPConn: tcp}
	if err := raw.Control(func(fd uintptr) { e.fd = int(fd) }); err != nil {
		t.Fatal(err)
	}
	return e
}

// reset closes e so that the peer gets an RST.
func (e end) reset(t testing.TB) {
	t.Helper()
	if err := e.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
}

// unixPair returns a non-blocking socket pair, closed with the test.
func unixPair(t testing.TB) (a, b int) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = unix.Close(fd) })
	}
	return fds[0], fds[1]
}

// await waits until one of events (or an error) is there on fd.
func await(t testing.TB, fd int, events int16) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
		n, err := unix.Poll(fds, int(time.Until(deadline).Milliseconds()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			t.Fatalf("poll: %v", err)
		}
		if n == 0 {
			t.Fatalf("descriptor %d: events %#x did not come", fd, events)
		}
		return
	}
}

// eventually waits until ok returns true.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// readFull reads n bytes from fd.
func readFull(t testing.TB, fd, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	for got := 0; got < n; {
		m, err := syscalls.Read(fd, b[got:])
		switch {
		case syscalls.IsRetry(err):
			await(t, fd, unix.POLLIN)
		case err != nil:
			t.Fatalf("read after %d of %d bytes: %v", got, n, err)
		case m == 0:
			t.Fatalf("end after %d of %d bytes", got, n)
		}
		got += m
	}
	return b
}

// fill writes to fd until it is full and returns how many bytes went.
func fill(t testing.TB, fd int) int {
	t.Helper()
	b := make([]byte, 8<<10)
	for total := 0; ; {
		n, err := syscalls.Write(fd, b)
		if syscalls.IsRetry(err) {
			return total
		}
		if err != nil {
			t.Fatalf("write after %d bytes: %v", total, err)
		}
		total += n
	}
}

// pattern returns n bytes that differ from place to place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*7 + i>>8)
	}
	return b
}

// noAllocs fails the test if f allocates. It proves nothing where calls are
// ordinary ones, so it asks only where they are raw.
func noAllocs(t *testing.T, what string, f func()) {
	t.Helper()
	if !syscalls.Raw {
		return
	}
	if n := testing.AllocsPerRun(200, f); n != 0 {
		t.Errorf("%s: %v allocations, want 0", what, n)
	}
}
