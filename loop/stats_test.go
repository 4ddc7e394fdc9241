package loop_test

import (
	"context"
	"errors"
	"io"
	"net"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

func TestIdleTimeBeginsWithTheLastEnd(t *testing.T) {
	const wait = 40 * time.Millisecond
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		release := make(chan struct{})
		b := hostileBroker(t, func(p *hostile.Peer) {
			r, err := p.ReadRequest()
			if err != nil {
				return
			}
			<-release
			_ = p.Answer(int32(r[4])<<24|int32(r[5])<<16|int32(r[6])<<8|int32(r[7]), nil)
			answerAll(p)
		})
		c := dial(t, e, b.Addr(), loop.Limits{})
		<-time.After(wait)
		if s := c.Stats(); s.Idle < wait || s.Idle > s.Age {
			t.Errorf("idle for %v at an age of %v before the first request, want at least %v", s.Idle, s.Age, wait)
		}
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = c.RoundTrip(t.Context(), request(1, nil), patience) })
		eventually(t, "in flight", func() bool { return c.Stats().InFlight == 1 })
		if s := c.Stats(); s.Idle != 0 {
			t.Errorf("idle for %v with a request in flight", s.Idle)
		}
		<-time.After(wait)
		before := time.Now()
		close(release)
		calls.Wait()
		answered := time.Now()
		if idle := c.Stats().Idle; idle > time.Since(before) {
			t.Errorf("idle for %v, but %v ago the answer had not been sent", idle, time.Since(before))
		}
		eventually(t, "idle again", func() bool { return c.Stats().Idle >= wait/2 })
		if since := time.Since(answered); since < wait/4 {
			t.Errorf("idle for %v only %v after the answer", c.Stats().Idle, since)
		}
		before = time.Now()
		if err := c.SendOneWay(t.Context(), keyed(produce, 0, 10), patience); err != nil {
			t.Fatal(err)
		}
		if idle := c.Stats().Idle; idle > time.Since(before) {
			t.Errorf("idle for %v, but %v ago a one-way request had not been sent", idle, time.Since(before))
		}
		c.Hold()
		calls.Go(func() { _, _ = c.RoundTrip(t.Context(), request(1, nil), patience) })
		eventually(t, "in line", func() bool { return c.Stats().Waiting == 1 })
		if s := c.Stats(); s.Idle != 0 {
			t.Errorf("idle for %v with a request in line", s.Idle)
		}
		c.Unhold()
		calls.Wait()
	})
}

func TestStatsTellTheLastError(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.Seq(hostile.AnswerN(1, mirror), hostile.HalfClose(1))).Addr(), loop.Limits{MaxInFlight: 1, RefuseWhenFull: true})
		_, _ = c.RoundTrip(t.Context(), request(1, nil), patience)
		if s := c.Stats(); s.LastError != nil || !s.LastErrorAt.IsZero() || s.Errors.Total() != 0 {
			t.Errorf("%v at %v before any error, counts %v", s.LastError, s.LastErrorAt, s.Errors)
		}
		c.Hold() // so that the first one is there before the second one comes
		var calls sync.WaitGroup
		calls.Go(func() { _, _ = c.RoundTrip(context.Background(), request(1, nil), patience) })
		eventually(t, "in line", func() bool { return c.Stats().Waiting == 1 })
		if err := c.Submit(request(2, nil), time.Time{}, nil); !errors.Is(err, loop.ErrQueueFull) {
			t.Errorf("Submit: %v, want a full queue", err)
		}
		if s := c.Stats(); !errors.Is(s.LastError, loop.ErrQueueFull) || s.Errors[loop.ErrorRefused] != 1 || s.Refused != 1 {
			t.Errorf("the last error is %v, counts %v; want one refusal", s.LastError, s.Errors)
		}
		c.Unhold()
		calls.Wait()
		<-c.Done()
		ended := c.Stats()
		if !errors.Is(ended.LastError, io.EOF) || ended.Errors[loop.ErrorPeer] != 1 || ended.Failed != 1 {
			t.Errorf("the last error is %v, counts %v; want the peer's end", ended.LastError, ended.Errors)
		}
		_, _ = c.RoundTrip(t.Context(), request(3, nil), patience)
		if s := c.Stats(); s.Errors[loop.ErrorNoConnection] != 1 || s.LastErrorAt != ended.LastErrorAt {
			t.Errorf("counts %v, the last error at %v; want a refusal more, and %v", s.Errors, s.LastErrorAt, ended.LastErrorAt)
		}
	})
}

// A connection that fails with nothing in flight has an error, and one that this side closes has none.
func TestAnEndIsAnErrorUnlessItWasAskedFor(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.CloseOnAccept).Addr(), loop.Limits{})
		<-c.Done()
		if s := c.Stats(); !errors.Is(s.LastError, io.EOF) || s.Errors.Total() != 0 {
			t.Errorf("after the peer's end: %v, counts %v", s.LastError, s.Errors)
		}
		c = dial(t, e, hostileBroker(t, hostile.Stall).Addr(), loop.Limits{})
		_ = c.Close()
		if s := c.Stats(); s.LastError != nil {
			t.Errorf("after Close: %v, want no error", s.LastError)
		}
	})
}

func TestStatsTellTheRoundTripTime(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("TCP_INFO is Linux's")
	}
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, answerAll).Addr(), loop.Limits{})
		_, _ = c.RoundTrip(t.Context(), request(1, nil), patience)
		if s := c.Stats(); s.RTT <= 0 || s.RTTVar <= 0 {
			t.Errorf("a round-trip time of %v ± %v, want more than 0", s.RTT, s.RTTVar)
		}
		_ = c.Close()
		if s := c.Stats(); s.RTT != 0 || s.RTTVar != 0 || s.Retransmits != 0 {
			t.Errorf("after the end: %+v, want nothing of the kernel's", s)
		}
		ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		u := dial(t, e, loop.UnixPrefix+ln.Addr().String(), loop.Limits{})
		if s := u.Stats(); s.RTT != 0 || s.Retransmits != 0 {
			t.Errorf("over a Unix socket: %+v, want nothing of TCP", s)
		}
		_ = u.Close()
	})
}

func TestTheEngineSumsUpItsConnections(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, answerAll)
		var want loop.Totals
		var all []*loop.Conn
		const n = 20
		for i := range n {
			c := dial(t, e, b.Addr(), loop.Limits{})
			all = append(all, c)
			for range i {
				if _, err := c.RoundTrip(t.Context(), request(1, body(1, i)), patience); err != nil {
					t.Fatal(err)
				}
			}
			if i%2 == 0 {
				_ = c.Close()
			}
		}
		for _, c := range all {
			s := c.Stats()
			want.Add(&s)
		}
		if got := e.Stats().Totals; got != want || got.Conns != n || got.Requests != n*(n-1)/2 {
			t.Errorf("totals are\n%+v, want\n%+v", got, want)
		}
		for _, i := range []int{5, 1, 19, 11} { // in the middle and at both ends of the list
			_ = all[i].Close()
		}
		if got := e.Stats(); got.Totals != want || got.Conns != n/2-4 {
			t.Errorf("after more ends, %d connections and totals\n%+v, want %d and\n%+v", got.Conns, got.Totals, n/2-4, want)
		}
	})
}

// Ten thousand connections each second must not show: BenchmarkStats has the real figure, this bound only catches what is of another order.
func TestTenThousandSnapshotsAreCheap(t *testing.T) {
	const conns, snapshots, bound = 100, 10_000, 500 * time.Millisecond
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Stall)
		var all []*loop.Conn
		for range conns {
			all = append(all, dial(t, e, b.Addr(), loop.Limits{}))
		}
		best := time.Duration(1 << 62)
		for range 5 { // the best of some tries, for a machine that has other things to do
			began := time.Now()
			for i := range snapshots {
				if s := all[i%conns].Stats(); s.State != "open" {
					t.Fatal(s)
				}
			}
			best = min(best, time.Since(began))
		}
		if best > bound {
			t.Errorf("%d snapshots took %v, want less than %v", snapshots, best, bound)
		}
		t.Logf("%d snapshots took %v", snapshots, best)
	})
}
