//go:build linux

package syscalls

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestTokenRoundTrip(t *testing.T) {
	for _, token := range []uint64{0, 1, 1 << 31, 1<<32 - 1, 1 << 32, 1 << 63, math.MaxUint64, 0x0123456789abcdef} {
		ev := newEvent(EpollIn, token)
		if got := Token(&ev); got != token {
			t.Errorf("got %#x, want %#x", got, token)
		}
	}
}

func TestWaitMillisRoundsUp(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want int
	}{
		{1, 1},
		{time.Millisecond, 1},
		{time.Millisecond + 1, 2},
		{math.MaxInt64, math.MaxInt32},
	} {
		if got := waitMillis(c.d); got != c.want {
			t.Errorf("%v: got %d, want %d", c.d, got, c.want)
		}
	}
}

func TestEpollWaitForFallsBackWithoutPwait2(t *testing.T) {
	defer noPwait2.Store(noPwait2.Swap(true))
	epfd, err := EpollCreate()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = Close(epfd) }()
	took := time.Duration(0)
	for range 5 { // again if a stray signal of the runtime cut the wait short
		start := time.Now()
		n, err := EpollWaitFor(epfd, make([]EpollEvent, 1), 300*time.Microsecond)
		if n != 0 || err != nil {
			t.Errorf("got %d, %v, want 0, nil", n, err)
		}
		if took = time.Since(start); took >= 300*time.Microsecond {
			return
		}
	}
	t.Errorf("waited %v, want 300µs at least", took)
}

func TestEpollResultHidesInterruption(t *testing.T) {
	if n, err := epollResult(-1, unix.EINTR); n != 0 || err != nil {
		t.Errorf("EINTR: got %d, %v, want 0, nil", n, err)
	}
	if n, err := epollResult(-1, unix.EBADF); n != 0 || err != unix.EBADF {
		t.Errorf("EBADF: got %d, %v, want 0, EBADF", n, err)
	}
}

func TestPeerEndedByState(t *testing.T) {
	want := map[TCPState]bool{
		TCPEstablished: false, TCPSynSent: false, TCPSynRecv: false, TCPNewSynRecv: false, TCPListen: false,
		TCPFinWait1: false, TCPFinWait2: false,
		TCPTimeWait: true, TCPClose: true, TCPCloseWait: true, TCPLastAck: true, TCPClosing: true,
	}
	for s := TCPEstablished; s <= TCPNewSynRecv; s++ {
		w, ok := want[s]
		if !ok {
			t.Fatalf("%v is not in the table", s)
		}
		if got := peerEnded(s); got != w {
			t.Errorf("%v: got %v, want %v", s, got, w)
		}
	}
}

func TestZoneIndex(t *testing.T) {
	fd, err := SocketTCP(false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = Close(fd) }()
	lo, err := zoneIndex(fd, "lo")
	if err != nil || lo == 0 {
		t.Fatalf("lo: got %d, %v, want its number", lo, err)
	}
	if got := zoneName(fd, lo); got != "lo" {
		t.Errorf("name of %d: got %q, want lo", lo, got)
	}
	if got := zoneName(fd, 1<<30); got != "1073741824" {
		t.Errorf("name of no interface: got %q, want its number", got)
	}
	for _, c := range []struct {
		zone string
		want uint32
		err  error
	}{
		{"", 0, nil},
		{"7", 7, nil},
		{"0", 0, unix.ENODEV},
		{"-1", 0, unix.ENODEV},
		{"no-such", 0, unix.ENODEV},
		{"a-name-longer-than-the-kernel-takes", 0, unix.ENODEV},
	} {
		if got, err := zoneIndex(fd, c.zone); got != c.want || err != c.err {
			t.Errorf("%q: got %d, %v, want %d, %v", c.zone, got, err, c.want, c.err)
		}
	}
}

func TestParsePortRangeRefusesOtherText(t *testing.T) {
	if lo, hi, err := parsePortRange("32768\t60999\n"); lo != 32768 || hi != 60999 || err != nil {
		t.Errorf("got %d, %d, %v, want 32768, 60999, nil", lo, hi, err)
	}
	for _, text := range []string{"", "32768", "a b"} {
		if _, _, err := parsePortRange(text); err == nil {
			t.Errorf("%q: got no error", text)
		}
	}
}
