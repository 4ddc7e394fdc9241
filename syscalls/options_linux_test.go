package syscalls_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func TestSetKeepAliveTimes(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	if err := syscalls.DisableKeepAlive(a.fd); err != nil {
		t.Fatal(err)
	}
	check := func(idle, interval, count int) {
		t.Helper()
		for _, c := range []struct {
			name         string
			option, want int
		}{
			{"TCP_KEEPIDLE", unix.TCP_KEEPIDLE, idle},
			{"TCP_KEEPINTVL", unix.TCP_KEEPINTVL, interval},
			{"TCP_KEEPCNT", unix.TCP_KEEPCNT, count},
		} {
			if got := option(t, a.fd, unix.IPPROTO_TCP, c.option); got != c.want {
				t.Errorf("%s: got %d, want %d", c.name, got, c.want)
			}
		}
		if option(t, a.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE) == 0 {
			t.Error("SO_KEEPALIVE is off")
		}
	}
	if err := syscalls.SetKeepAlive(a.fd, 30*time.Second, 1500*time.Millisecond, 4); err != nil {
		t.Fatal(err)
	}
	check(30, 2, 4)
	if err := syscalls.SetKeepAlive(a.fd, time.Millisecond, 0, 0); err != nil {
		t.Fatal(err)
	}
	check(1, 2, 4) // zeros leave alone

	if err := syscalls.DisableKeepAlive(a.fd); err != nil {
		t.Fatal(err)
	}
	for _, tooLong := range []time.Duration{32768 * time.Second, math.MaxInt64} {
		if err := syscalls.SetKeepAlive(a.fd, tooLong, 0, 0); err != unix.EINVAL {
			t.Errorf("%v: got %v, want EINVAL", tooLong, err)
		}
	}
	if option(t, a.fd, unix.SOL_SOCKET, unix.SO_KEEPALIVE) != 0 {
		t.Error("a refused call turned keepalive on")
	}
}

func TestSetUserTimeout(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	for _, c := range []struct {
		d    time.Duration
		want int
	}{
		{30 * time.Second, 30000},
		{time.Microsecond, 1},
		{1500 * time.Microsecond, 2},
		{math.MaxInt32 * time.Millisecond, math.MaxInt32},
		{0, 0},
	} {
		if err := syscalls.SetUserTimeout(a.fd, c.d); err != nil {
			t.Fatalf("%v: %v", c.d, err)
		}
		if got := option(t, a.fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT); got != c.want {
			t.Errorf("%v: got %d ms, want %d", c.d, got, c.want)
		}
	}
	for _, d := range []time.Duration{-1, math.MaxInt64} {
		if err := syscalls.SetUserTimeout(a.fd, d); err != unix.EINVAL {
			t.Errorf("%v: got %v, want EINVAL", d, err)
		}
	}
}

func TestSetQuickAck(t *testing.T) {
	countDescriptors(t)
	a, _ := tcpPair(t)
	for _, on := range []bool{false, true} {
		if err := syscalls.SetQuickAck(a.fd, on); err != nil {
			t.Fatal(err)
		}
		if got := option(t, a.fd, unix.IPPROTO_TCP, unix.TCP_QUICKACK) != 0; got != on {
			t.Errorf("got %v, want %v", got, on)
		}
	}
}

func TestQueuedOutFallsToZeroWhenRead(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	if err := syscalls.SetWriteBuffer(a.fd, 64<<10); err != nil {
		t.Fatal(err)
	}
	if n, err := syscalls.QueuedOut(a.fd); n != 0 || err != nil {
		t.Fatalf("fresh: got %d, %v, want 0, nil", n, err)
	}
	sent := fill(t, a.fd)
	n, err := syscalls.QueuedOut(a.fd)
	if err != nil || n <= 0 || n > sent {
		t.Fatalf("full: got %d, %v, want 1 to %d", n, err, sent)
	}
	readFull(t, b.fd, sent)
	eventually(t, "everything acknowledged", func() bool {
		n, err := syscalls.QueuedOut(a.fd)
		return err == nil && n == 0
	})
}

func TestGetTCPInfo(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	const bytes = 100_000
	if n, err := syscalls.Write(a.fd, make([]byte, bytes)); n != bytes || err != nil {
		t.Fatal(n, err)
	}
	readFull(t, b.fd, bytes)
	var info syscalls.TCPInfo
	eventually(t, "everything acknowledged", func() bool {
		var err error
		if info, err = syscalls.GetTCPInfo(a.fd); err != nil {
			t.Fatal(err)
		}
		return info.Unacked == 0
	})
	if info.State != syscalls.TCPEstablished {
		t.Errorf("State: got %v, want ESTABLISHED", info.State)
	}
	// Linux may count the SYN as a byte.
	if info.BytesAcked < bytes || info.BytesAcked > bytes+1 {
		t.Errorf("BytesAcked: got %d, want %d", info.BytesAcked, bytes)
	}
	for _, c := range []struct {
		name string
		d    time.Duration
	}{{"RTT", info.RTT}, {"RTTVar", info.RTTVar}, {"MinRTT", info.MinRTT}, {"RTO", info.RTO}} {
		if c.d <= 0 || c.d > patience {
			t.Errorf("%s: got %v, want a loopback's", c.name, c.d)
		}
	}
	if info.SndCwnd == 0 || info.SndMSS == 0 || info.PathMTU == 0 || info.SegsOut == 0 {
		t.Errorf("zero where it cannot be: %+v", info)
	}
	if info.Lost != 0 || info.Retransmits != 0 || info.NotSentBytes != 0 {
		t.Errorf("not zero on a healthy connection: %+v", info)
	}
	peer, err := syscalls.GetTCPInfo(b.fd)
	if err != nil || peer.BytesReceived != bytes {
		t.Errorf("peer's BytesReceived: got %d, %v, want %d", peer.BytesReceived, err, bytes)
	}

	if err := b.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "CLOSE_WAIT", func() bool {
		info, err := syscalls.GetTCPInfo(a.fd)
		return err == nil && info.State == syscalls.TCPCloseWait
	})
}

func TestGetTCPInfoOnAUnixSocketIsUnsupported(t *testing.T) {
	countDescriptors(t)
	a, _ := unixPair(t)
	if _, err := syscalls.GetTCPInfo(a); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("got %v, want EOPNOTSUPP, which matches errors.ErrUnsupported", err)
	}
}

func TestSetReadLowWaterHoldsBackEvents(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	epfd, err := syscalls.EpollCreate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscalls.Close(epfd) })
	if err := syscalls.EpollAdd(epfd, a.fd, syscalls.EpollIn, 7); err != nil {
		t.Fatal(err)
	}
	ready := func() bool {
		n, err := syscalls.EpollWait(epfd, make([]syscalls.EpollEvent, 1), 50)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	if err := syscalls.SetReadLowWater(a.fd, 1000); err != nil {
		t.Fatal(err)
	}
	if _, err := syscalls.Write(b.fd, make([]byte, 999)); err != nil {
		t.Fatal(err)
	}
	if ready() {
		t.Error("999 bytes are reported, want none below 1000")
	}
	if _, err := syscalls.Write(b.fd, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if !ready() {
		t.Error("1000 bytes are not reported")
	}
	if err := syscalls.SetReadLowWater(a.fd, 5000); err != nil {
		t.Fatal(err)
	}
	if err := syscalls.ShutdownWrite(b.fd); err != nil {
		t.Fatal(err)
	}
	if !ready() {
		t.Error("the peer's end is not reported below the mark")
	}
}
