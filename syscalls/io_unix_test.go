//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func TestReadAndWriteMoveBytes(t *testing.T) {
	// Around RawMax, where the kind of call changes.
	for _, size := range []int{1, 4096, syscalls.RawMax - 1, syscalls.RawMax, syscalls.RawMax + 1, 4 * syscalls.RawMax} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			countDescriptors(t)
			a, b := tcpPair(t)
			want := pattern(size)
			for sent := 0; sent < size; {
				n, err := syscalls.Write(a.fd, want[sent:])
				if syscalls.IsRetry(err) {
					await(t, a.fd, unix.POLLOUT)
				} else if err != nil {
					t.Fatal(err)
				}
				sent += n
			}
			if got := readFull(t, b.fd, size); !bytes.Equal(got, want) {
				t.Error("other bytes arrived than were sent")
			}
		})
	}
}

func TestReadReturnsWhatIsThere(t *testing.T) {
	countDescriptors(t)
	a, b := unixPair(t)
	for _, size := range []int{16, 2 * syscalls.RawMax} {
		if _, err := syscalls.Write(a, []byte("abc")); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, size)
		if n, err := syscalls.Read(b, buf[:1]); err != nil || string(buf[:n]) != "a" {
			t.Errorf("%d: got %q, %v, want a", size, buf[:n], err)
		}
		if n, err := syscalls.Read(b, buf); err != nil || string(buf[:n]) != "bc" {
			t.Errorf("%d: got %q, %v, want bc", size, buf[:n], err)
		}
	}
}

func TestReadWithNothingThereIsRetry(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	for _, size := range []int{1, 2 * syscalls.RawMax} {
		n, err := syscalls.Read(a.fd, make([]byte, size))
		if n != 0 || err != unix.EAGAIN {
			t.Errorf("%d: got %d, %v, want 0, EAGAIN itself", size, n, err)
		}
		if !syscalls.IsRetry(err) || !errors.Is(err, syscall.EAGAIN) {
			t.Errorf("%d: %v is not taken for a retry", size, err)
		}
	}
}

func TestReadAtTheEndIsZeroAndNil(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	if err := b.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	await(t, a.fd, unix.POLLIN)
	if n, err := syscalls.Read(a.fd, make([]byte, 8)); n != 0 || err != nil {
		t.Errorf("got %d, %v, want 0, nil", n, err)
	}
}

func TestEmptySlicesAskNothing(t *testing.T) {
	// On a descriptor that cannot work, so a call would show.
	for _, b := range [][]byte{nil, {}} {
		if n, err := syscalls.Read(-1, b); n != 0 || err != nil {
			t.Errorf("Read: got %d, %v", n, err)
		}
		if n, err := syscalls.Write(-1, b); n != 0 || err != nil {
			t.Errorf("Write: got %d, %v", n, err)
		}
	}
	for _, bufs := range [][][]byte{nil, {}, {nil}, {nil, {}}, make([][]byte, 3000)} {
		if n, err := syscalls.Writev(-1, bufs); n != 0 || err != nil {
			t.Errorf("Writev of %d: got %d, %v", len(bufs), n, err)
		}
	}
}

func TestBadDescriptorIsEBADF(t *testing.T) {
	for _, size := range []int{1, 2 * syscalls.RawMax} {
		b := make([]byte, size)
		if n, err := syscalls.Read(-1, b); n != 0 || !errors.Is(err, unix.EBADF) {
			t.Errorf("Read: got %d, %v, want 0, EBADF", n, err)
		}
		if n, err := syscalls.Write(-1, b); n != 0 || !errors.Is(err, unix.EBADF) {
			t.Errorf("Write: got %d, %v, want 0, EBADF", n, err)
		}
		if n, err := syscalls.Writev(-1, [][]byte{b, b}); n != 0 || !errors.Is(err, unix.EBADF) {
			t.Errorf("Writev: got %d, %v, want 0, EBADF", n, err)
		}
	}
}

func TestWriteToAFullSocketIsPartialThenRetry(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	for _, set := range []func() error{
		func() error { return syscalls.SetWriteBuffer(a.fd, 16<<10) },
		func() error { return syscalls.SetReadBuffer(b.fd, 16<<10) },
	} {
		if err := set(); err != nil {
			t.Fatal(err)
		}
	}
	big := pattern(8 << 20)
	sent, err := syscalls.Write(a.fd, big)
	if err != nil || sent == 0 || sent == len(big) {
		t.Fatalf("first write: got %d, %v, want a part of %d", sent, err, len(big))
	}
	sawRetry := false
	for len(big) > sent && !sawRetry { // until the peer's buffer is full too
		n, err := syscalls.Write(a.fd, big[sent:])
		sent += n
		if sawRetry = syscalls.IsRetry(err); err != nil && !sawRetry {
			t.Fatal(err)
		}
	}
	if !sawRetry {
		t.Fatal("8 MiB went into a socket that nobody reads")
	}
	if got := readFull(t, b.fd, sent); !bytes.Equal(got, big[:sent]) {
		t.Error("other bytes arrived than the counts say")
	}
	await(t, a.fd, unix.POLLOUT)
	if n, err := syscalls.Write(a.fd, big[sent:sent+1]); n != 1 || err != nil {
		t.Errorf("after the peer has read: got %d, %v, want 1, nil", n, err)
	}
}

func TestWritevJoinsBuffers(t *testing.T) {
	for _, c := range []struct {
		name  string
		sizes []int
	}{
		{"one", []int{5}},
		{"empties around", []int{0, 3, 0, 4, 0}},
		{"stack", repeat(64, 3)},
		{"pool", repeat(65, 3)},
		{"all that one call takes", repeat(1024, 2)},
		{"large", []int{10, syscalls.RawMax, 10}},
	} {
		t.Run(c.name, func(t *testing.T) {
			countDescriptors(t)
			a, b := tcpPair(t)
			bufs, want := cut(c.sizes)
			n, err := syscalls.Writev(a.fd, bufs)
			if n != len(want) || err != nil {
				t.Fatalf("got %d, %v, want %d", n, err, len(want))
			}
			if got := readFull(t, b.fd, n); !bytes.Equal(got, want) {
				t.Error("other bytes arrived than were sent")
			}
		})
	}
}

func TestWritevWritesTheFirst1024(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	// The empty ones in front must not use the places up.
	bufs, want := cut(append(make([]int, 1024), repeat(3000, 3)...))
	n, err := syscalls.Writev(a.fd, bufs)
	if n != 3*1024 || err != nil {
		t.Fatalf("got %d, %v, want %d", n, err, 3*1024)
	}
	if got := readFull(t, b.fd, n); !bytes.Equal(got, want[:n]) {
		t.Error("other bytes arrived than were sent")
	}
}

func TestWritevPartialMayEndInsideABuffer(t *testing.T) {
	for _, count := range []int{32, 700} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			countDescriptors(t)
			a, b := tcpPair(t)
			if err := syscalls.SetWriteBuffer(a.fd, 16<<10); err != nil {
				t.Fatal(err)
			}
			bufs, want := cut(repeat(count, 8<<20/count))
			sent, inside := 0, false
			for sent < len(want) {
				n, err := syscalls.Writev(a.fd, after(bufs, sent))
				if syscalls.IsRetry(err) {
					break
				}
				if err != nil || n == 0 {
					t.Fatalf("got %d, %v", n, err)
				}
				sent += n
				inside = inside || sent%len(bufs[0]) != 0
			}
			if !inside {
				t.Error("no write ended inside a buffer: the test proves nothing")
			}
			if got := readFull(t, b.fd, sent); !bytes.Equal(got, want[:sent]) {
				t.Error("other bytes arrived than the counts say")
			}
		})
	}
}

func TestWritevLeavesBuffersAlone(t *testing.T) {
	countDescriptors(t)
	a, _ := unixPair(t)
	bufs := [][]byte{nil, []byte("ab"), []byte("cd")}
	if n, err := syscalls.Writev(a, bufs); n != 4 || err != nil {
		t.Fatalf("got %d, %v, want 4, nil", n, err)
	}
	if len(bufs) != 3 || bufs[0] != nil || string(bufs[1]) != "ab" || string(bufs[2]) != "cd" {
		t.Errorf("buffers are now %q", bufs)
	}
}

func TestWriteAfterResetRaisesNoSignal(t *testing.T) {
	countDescriptors(t)
	// SIGWINCH is a marker: its number is higher, so the runtime delivers it
	// after any SIGPIPE that came before.
	signals := make(chan os.Signal, 64)
	signal.Notify(signals, unix.SIGPIPE, unix.SIGWINCH)
	defer signal.Stop(signals)
	pipes := func() (n int) {
		if err := unix.Kill(os.Getpid(), unix.SIGWINCH); err != nil {
			t.Fatal(err)
		}
		for s := range signals {
			if s == unix.SIGWINCH {
				return n
			}
			n++
		}
		return n
	}

	a, b := tcpPair(t)
	if err := syscalls.SetNoSigpipe(a.fd); err != nil {
		t.Fatal(err)
	}
	b.reset(t)
	await(t, a.fd, unix.POLLIN)
	small, large := []byte("x"), make([]byte, 2*syscalls.RawMax)
	var err error
	for _, write := range []func() (int, error){
		func() (int, error) { return syscalls.Write(a.fd, small) }, // takes the pending ECONNRESET
		func() (int, error) { return syscalls.Write(a.fd, small) },
		func() (int, error) { return syscalls.Write(a.fd, large) },
		func() (int, error) { return syscalls.Writev(a.fd, [][]byte{small, small}) },
		func() (int, error) { return syscalls.Writev(a.fd, [][]byte{small, large}) },
	} {
		var n int
		if n, err = write(); n != 0 || !errors.Is(err, unix.EPIPE) && !errors.Is(err, unix.ECONNRESET) {
			t.Errorf("got %d, %v, want 0, EPIPE or ECONNRESET", n, err)
		}
	}
	if !errors.Is(err, unix.EPIPE) {
		t.Errorf("last: got %v, want EPIPE", err)
	}
	if n := pipes(); n != 0 {
		t.Errorf("%d SIGPIPE arrived", n)
	}

	if runtime.GOOS != "linux" {
		return
	}
	// Without the flag it does come, so the check above can fail.
	if _, err := unix.Write(a.fd, small); err != unix.EPIPE {
		t.Fatalf("plain write: got %v, want EPIPE", err)
	}
	if n := pipes(); n == 0 {
		t.Error("a plain write raised no SIGPIPE: this test proves nothing")
	}
}

func TestIsRetry(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{unix.EAGAIN, true},
		{unix.EWOULDBLOCK, true},
		{fmt.Errorf("write: %w", unix.EAGAIN), true},
		{os.NewSyscallError("write", unix.EAGAIN), true},
		{unix.EINTR, false},
		{unix.EPIPE, false},
		{unix.EINPROGRESS, false},
	} {
		if got := syscalls.IsRetry(c.err); got != c.want {
			t.Errorf("%v: got %v, want %v", c.err, got, c.want)
		}
	}
}

func TestTransfersDoNotAllocate(t *testing.T) {
	for _, size := range []int{64, 2 * syscalls.RawMax} {
		a, b := tcpPair(t)
		buf, out := make([]byte, size), pattern(size)
		noAllocs(t, fmt.Sprintf("Write and Read of %d", size), func() {
			n, err := syscalls.Write(a.fd, out)
			if err != nil || n == 0 {
				t.Fatal(n, err)
			}
			for got := 0; got < n; {
				m, err := syscalls.Read(b.fd, buf)
				if err != nil && !syscalls.IsRetry(err) {
					t.Fatal(err)
				}
				got += m
			}
		})
	}
	for _, count := range []int{2, 64, 65, 1024} {
		a, b := tcpPair(t)
		bufs, _ := cut(repeat(count, 16))
		buf := make([]byte, 1<<10)
		noAllocs(t, fmt.Sprintf("Writev of %d", count), func() {
			n, err := syscalls.Writev(a.fd, bufs)
			if err != nil {
				t.Fatal(err)
			}
			for got := 0; got < n; {
				m, err := syscalls.Read(b.fd, buf)
				if err != nil && !syscalls.IsRetry(err) {
					t.Fatal(err)
				}
				got += m
			}
		})
	}
	a, _ := tcpPair(t)
	buf := make([]byte, 8)
	noAllocs(t, "Read with nothing there", func() {
		if _, err := syscalls.Read(a.fd, buf); !syscalls.IsRetry(err) {
			t.Fatal(err)
		}
	})
	noAllocs(t, "PeerClosed", func() {
		if closed, err := syscalls.PeerClosed(a.fd); closed || err != nil {
			t.Fatal(closed, err)
		}
	})
}

func repeat(count, size int) []int {
	sizes := make([]int, count)
	for i := range sizes {
		sizes[i] = size
	}
	return sizes
}

// cut returns buffers of the given sizes and all their bytes in a row.
func cut(sizes []int) (bufs [][]byte, all []byte) {
	total := 0
	for _, n := range sizes {
		total += n
	}
	all = pattern(total)
	rest := all
	for _, n := range sizes {
		bufs, rest = append(bufs, rest[:n:n]), rest[n:]
	}
	return bufs, all
}

// after returns what is left of bufs behind the first n bytes.
func after(bufs [][]byte, n int) [][]byte {
	left := make([][]byte, 0, len(bufs))
	for _, b := range bufs {
		skip := min(n, len(b))
		n -= skip
		left = append(left, b[skip:])
	}
	return left
}
