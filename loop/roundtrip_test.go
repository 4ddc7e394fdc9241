package loop_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

func TestRoundTripReturnsTheAnswerWithTheCallersCorrelationID(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		c := dial(t, e, b.Addr(), loop.Limits{})
		for i, n := range []int{0, 1, 100, 1000, 70_000, loop.LendBytes - 1, loop.LendBytes, loop.LendBytes + 1, 1 << 20, 5 << 20} {
			r := request(int32(1_000_000*i+7), body(i, n))
			before := bytes.Clone(r)
			got, err := c.RoundTrip(t.Context(), r, patience)
			if err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			checkMirrored(t, r, got)
			if !bytes.Equal(r, before) {
				t.Errorf("%d bytes: RoundTrip wrote to the caller's request", n)
			}
			if cap(got) > 2*len(got)+64 {
				t.Errorf("%d bytes: the answer of %d bytes has a capacity of %d", n, len(got), cap(got))
			}
		}
		if s := c.Stats(); s.Requests != 10 || s.Answered != 10 || s.InFlight != 0 || s.PendingBytes != 0 {
			t.Errorf("Stats = %+v, want 10 requests answered and nothing left", s)
		}
	})
}

func TestManyCallersOnOneConnectionGetTheirOwnAnswers(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		c := dial(t, e, b.Addr(), loop.Limits{MaxInFlight: 50})
		var wg sync.WaitGroup
		for g := range 64 {
			wg.Go(func() {
				for i := range 100 {
					n := (g*31 + i*17) % 3000
					if i%25 == 0 {
						n = 40_000 + g
					}
					r := request(int32(g<<16|i), body(g*1000+i, n))
					got, err := c.RoundTrip(t.Context(), r, patience)
					if err != nil {
						t.Errorf("caller %d: %v", g, err)
						return
					}
					checkMirrored(t, r, got)
				}
			})
		}
		within(t, 6*patience, "64 callers", wg.Wait)
	})
}

func TestSubmitAnswersOnTheLoopAndMayBeCalledFromItsCallback(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		c := dial(t, e, b.Addr(), loop.Limits{})
		const rounds, lines = 200, 8
		done := make(chan struct{})
		var left, running atomic.Int32
		left.Store(lines)
		for line := range lines {
			round := 0
			var next func([]byte, error)
			r := request(int32(line), body(line, 30+line))
			next = func(response []byte, err error) {
				if running.Add(1) != 1 {
					t.Error("two callbacks of one connection ran at once")
				}
				defer running.Add(-1)
				if err != nil {
					t.Errorf("line %d: %v", line, err)
				} else {
					checkMirrored(t, r, response)
				}
				if round++; round == rounds || err != nil {
					if left.Add(-1) == 0 {
						close(done)
					}
					return
				}
				if err := c.Submit(r, time.Now().Add(patience), next); err != nil {
					t.Errorf("Submit in a callback: %v", err)
				}
			}
			if err := c.Submit(r, time.Now().Add(patience), next); err != nil {
				t.Fatal(err)
			}
		}
		within(t, 3*patience, "all lines", func() { <-done })
		if got := c.Stats().Answered; got != rounds*lines {
			t.Errorf("%d answers, want %d", got, rounds*lines)
		}
	})
}

func TestSendOneWayReturnsWhenWritten(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Seq(hostile.Swallow(3), hostile.Answer(mirror)))
		c := dial(t, e, b.Addr(), loop.Limits{})
		for i, n := range []int{10, 100_000, 3 << 20} {
			if err := c.SendOneWay(t.Context(), request(int32(i), body(i, n)), patience); err != nil {
				t.Fatal(err)
			}
		}
		r := request(9, []byte("after the silent ones"))
		got, err := c.RoundTrip(t.Context(), r, patience)
		if err != nil {
			t.Fatal(err)
		}
		checkMirrored(t, r, got)
		if s := c.Stats(); s.OneWay != 3 || s.Answered != 1 {
			t.Errorf("Stats = %+v, want 3 one-way requests and 1 answer", s)
		}
	})
}

func TestRequestsShorterThanAHeaderAreRefused(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		c := dial(t, e, b.Addr(), loop.Limits{})
		for n := range 8 {
			_, err := c.RoundTrip(t.Context(), make([]byte, n), patience)
			var op *loop.OpError
			if !errors.As(err, &op) || !op.SafeToRetry() {
				t.Errorf("RoundTrip of %d bytes: %v, want an OpError that is safe to retry", n, err)
			}
			if err := c.Submit(make([]byte, n), time.Time{}, func([]byte, error) { t.Error("called") }); err == nil {
				t.Errorf("Submit of %d bytes was accepted", n)
			}
			if err := c.SendOneWay(t.Context(), make([]byte, n), patience); err == nil {
				t.Errorf("SendOneWay of %d bytes was accepted", n)
			}
		}
	})
}

func TestNamesAreTriedAtAllTheirAddresses(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror)) // on 127.0.0.1 only; localhost may be ::1 first
		addr := b.Addr()
		c := dial(t, e, "localhost"+addr[len("127.0.0.1"):], loop.Limits{})
		r := request(1, []byte("x"))
		if _, err := c.RoundTrip(t.Context(), r, patience); err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().String(); got != addr {
			t.Errorf("RemoteAddr = %s, want %s", got, addr)
		}
		if c.LocalAddr() == nil || c.Addr() != "localhost"+addr[len("127.0.0.1"):] {
			t.Errorf("LocalAddr = %v, Addr = %s", c.LocalAddr(), c.Addr())
		}
	})
}

func TestDialFailsWithTheCause(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		refused := hostile.Refused(t)
		cancelled, cancel := context.WithCancel(t.Context())
		cancel()
		late, cancelLate := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
		defer cancelLate()
		for _, tt := range []struct {
			name string
			ctx  context.Context
			addr string
			is   error
		}{
			{"refused", t.Context(), refused, syscallECONNREFUSED},
			{"cancelled", cancelled, refused, context.Canceled},
			{"too late", late, refused, context.DeadlineExceeded},
			{"unix socket without a file", t.Context(), "unix:" + t.TempDir() + "/none", syscallENOENT},
		} {
			c, err := e.Dial(tt.ctx, tt.addr, loop.DialConfig{})
			if c != nil || !errors.Is(err, tt.is) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.is)
			}
		}
		for _, addr := range []string{"", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65537", "127.0.0.1:-1", "127.0.0.1:http"} {
			if _, err := e.Dial(t.Context(), addr, loop.DialConfig{}); err == nil {
				t.Errorf("Dial(%q) succeeded", addr)
			}
		}
	})
}

func TestConnectionsAreSpreadOverTheLoops(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		var conns []*loop.Conn
		for range 20 {
			conns = append(conns, dial(t, e, b.Addr(), loop.Limits{}))
		}
		if e.Conns() != len(conns) {
			t.Errorf("Conns = %d, want %d", e.Conns(), len(conns))
		}
		seen := make(map[uint64]int)
		var mu sync.Mutex
		var wg sync.WaitGroup
		for _, c := range conns {
			wg.Add(1)
			err := c.Submit(request(1, nil), time.Now().Add(patience), func([]byte, error) {
				mu.Lock()
				seen[loop.GoroutineID()]++
				mu.Unlock()
				wg.Done()
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		within(t, patience, "answers", wg.Wait)
		counts := make([]int, 0, 2)
		for _, n := range seen {
			counts = append(counts, n)
		}
		slices.Sort(counts)
		if !slices.Equal(counts, []int{10, 10}) {
			t.Errorf("connections by loop = %v, want [10 10]", counts)
		}
	})
}
