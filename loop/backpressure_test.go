package loop_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

func TestAFullQueueBlocksUntilTheDeadlineOrRefuses(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Stall)
		for _, refuse := range []bool{false, true} {
			c := dial(t, e, b.Addr(), loop.Limits{MaxInFlight: 2, RefuseWhenFull: refuse})
			var wg sync.WaitGroup
			for i := range 2 {
				wg.Go(func() { _, _ = c.RoundTrip(t.Context(), request(int32(i), nil), 0) })
			}
			eventually(t, "two requests in flight", func() bool { return c.Stats().InFlight == 2 })

			timeout := 50 * time.Millisecond
			if refuse {
				timeout = 0 // who waited would wait for ever
			}
			var err error
			stalled := stalls()
			began := time.Now()
			within(t, patience, "the third call", func() { _, err = c.RoundTrip(t.Context(), request(3, nil), timeout) })
			took, late := time.Since(began), stalled()
			var op *loop.OpError
			if !errors.As(err, &op) || !op.SafeToRetry() {
				t.Errorf("refuse %v: %v, want an error that is safe to retry", refuse, err)
			}
			if refuse && (!errors.Is(err, loop.ErrQueueFull) || took > 40*time.Millisecond+late) {
				t.Errorf("after %v: %v, want ErrQueueFull at once, on a machine that may stall for %v", took, err, late)
			}
			if !refuse && (!errors.Is(err, os.ErrDeadlineExceeded) || took < 50*time.Millisecond) {
				t.Errorf("after %v: %v, want a deadline's error after 50 ms", took, err)
			}
			if err := c.Submit(request(4, nil), time.Time{}, func([]byte, error) { t.Error("called") }); !errors.Is(err, loop.ErrQueueFull) {
				t.Errorf("Submit: %v, want ErrQueueFull", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancelled := make(chan error, 1)
			if !refuse {
				go func() {
					_, err := c.RoundTrip(ctx, request(5, nil), 0)
					cancelled <- err
				}()
				eventually(t, "a caller in line", func() bool { return c.Stats().Waiting == 1 })
				cancel()
				if err := <-cancelled; !errors.Is(err, context.Canceled) || !errors.As(err, &op) || !op.SafeToRetry() {
					t.Errorf("cancelled in line: %v, want context.Canceled and safe to retry", err)
				}
			}
			cancel()
			_ = c.Close()
			wg.Wait()
		}
	})
}

func TestThoseWhoWaitForRoomAreServedInOrder(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		g := newGate()
		c := dial(t, e, hostileBroker(t, g.script).Addr(), loop.Limits{MaxInFlight: 1})
		var wg sync.WaitGroup
		const callers = 20
		for i := range callers {
			wg.Go(func() {
				r := request(int32(i), body(i, 10+i))
				got, err := c.RoundTrip(t.Context(), r, patience)
				if err != nil {
					t.Errorf("caller %d: %v", i, err)
					return
				}
				checkMirrored(t, r, got)
			})
			if i == 0 {
				eventually(t, "a request in flight", func() bool { return c.Stats().InFlight == 1 })
			} else {
				eventually(t, "a caller in line", func() bool { return c.Stats().Waiting == i })
			}
		}
		for i := range callers {
			r := <-g.requests
			if len(r) != 8+10+i {
				t.Errorf("request %d has %d bytes, want those of caller %d", i, len(r), i)
			}
			if n := len(g.requests); n != 0 {
				t.Errorf("%d requests more than MaxInFlight arrived", n)
			}
			g.open <- struct{}{}
		}
		within(t, patience, "callers", wg.Wait)
	})
}

// TestAPeerThatDoesNotReadHoldsBackItsSendersOnly: bytes are bounded, nobody waits longer than the deadline, and the loop serves others.
func TestAPeerThatDoesNotReadHoldsBackItsSendersOnly(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		deaf := hostileBroker(t, hostile.Silence)
		good := hostileBroker(t, hostile.Answer(mirror))
		const limit = 1 << 20
		c := dial(t, e, deaf.Addr(), loop.Limits{MaxPendingBytes: limit, MaxAbandoned: 1 << 20, MaxInFlight: 1 << 20})
		other := dial(t, e, good.Addr(), loop.Limits{})

		var refused, ended atomic.Int64
		accepted := int64(0)
		r := request(1, body(1, 10_000))
		const enough = 2 * time.Second // for all that comes before the deadline of the one that is cut, which ends the connection
		for c.Stats().Stalls == 0 || refused.Load() == 0 {
			err := c.Submit(r, time.Now().Add(enough), func(_ []byte, err error) {
				if err == nil {
					t.Error("answered by a peer that does not read")
				}
				ended.Add(1)
			})
			switch {
			case err == nil:
				accepted++
			case errors.Is(err, loop.ErrQueueFull):
				refused.Add(1)
			default:
				t.Fatal(err)
			}
			if n := c.Stats().PendingBytes; n > limit+10_012 {
				t.Fatalf("%d bytes are pending, over the limit of %d", n, limit)
			}
		}
		// A waiting caller gives up in time, with nothing sent.
		_, err := c.RoundTrip(t.Context(), request(2, body(2, 50_000)), 30*time.Millisecond)
		var op *loop.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.SafeToRetry() {
			t.Errorf("RoundTrip: %v, want a deadline's error that is safe to retry", err)
		}
		for i := range 50 {
			r := request(int32(i), nil)
			if _, err := other.RoundTrip(t.Context(), r, patience); err != nil {
				t.Fatalf("the other connection: %v", err)
			}
		}
		eventually(t, "all callbacks", func() bool { return ended.Load() == accepted })
		_ = c.Close()
		if s := c.Stats(); s.PendingBytes != 0 || s.InFlight != 0 {
			t.Errorf("after Close: %+v", s)
		}
	})
}

func TestARequestCutInTheMiddlePoisonsTheConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		deaf := hostileBroker(t, hostile.Silence)
		for _, oneWay := range []bool{false, true} {
			c := dial(t, e, deaf.Addr(), loop.Limits{})
			big := request(1, body(1, 32<<20))
			var err error
			within(t, patience, "the big request", func() {
				if oneWay {
					err = c.SendOneWay(t.Context(), big, 300*time.Millisecond)
				} else {
					_, err = c.RoundTrip(t.Context(), big, 300*time.Millisecond)
				}
			})
			var op *loop.OpError
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.SafeToRetry() {
				t.Errorf("error = %v, want a deadline's, not safe to retry", err)
			}
			clear(big) // ours again: under -race, a writer that still reads it would be seen
			within(t, patience, "the connection", func() { <-c.Done() })
			if err := c.Err(); !errors.Is(err, loop.ErrCutRequest) {
				t.Errorf("Err = %v, want ErrCutRequest", err)
			}
		}
	})
}

// TestARequestGivenUpBeforeItLeftIsNotSent: it is taken out of the queue, and what stands behind it moves up.
func TestARequestGivenUpBeforeItLeftIsNotSent(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		read := make(chan struct{})
		b := hostileBroker(t, func(p *hostile.Peer) {
			<-read
			hostile.Answer(mirror)(p)
		})
		c := dial(t, e, b.Addr(), loop.Limits{MaxPendingBytes: 64 << 20})
		var wg sync.WaitGroup
		call := func(id int32, n int, timeout time.Duration, check func(r, response []byte, err error)) {
			wg.Go(func() {
				r := request(id, body(int(id), n))
				response, err := c.RoundTrip(t.Context(), r, timeout)
				check(r, response, err)
			})
			eventually(t, "the call in flight", func() bool { return c.Stats().Requests >= uint64(id) })
		}
		answered := func(r, response []byte, err error) {
			if err != nil {
				t.Errorf("a request that was not given up: %v", err)
				return
			}
			checkMirrored(t, r, response)
		}
		unsent := func(_, _ []byte, err error) {
			var op *loop.OpError
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.SafeToRetry() {
				t.Errorf("a request given up in the queue: %v, want a deadline's error that is safe to retry", err)
			}
		}
		call(1, 16<<20, 3*patience, answered) // fills the socket
		eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
		call(2, 100, 3*patience, answered)
		call(3, 200, 50*time.Millisecond, unsent)
		call(4, 300, 3*patience, answered)
		call(5, 2*loop.LendBytes, 60*time.Millisecond, unsent) // lent bytes
		call(6, 3*loop.LendBytes, 3*patience, answered)
		call(7, 400, 70*time.Millisecond, unsent)
		call(8, 5*loop.CombineBytes, 3*patience, answered)
		call(9, 1, 80*time.Millisecond, unsent)
		eventually(t, "four given up", func() bool { return c.Stats().Timeouts == 4 })
		close(read)
		within(t, 3*patience, "the calls", wg.Wait)
		if s := c.Stats(); s.Abandoned != 0 || s.LateAnswers != 0 || s.Answered != 5 {
			t.Errorf("Stats = %+v, want 5 answered and no late answer", s)
		}
		if got := b.Requests(); got != 5 {
			t.Errorf("the broker got %d requests, want 5", got)
		}
	})
}

// TestADeadlineDuringTheFirstWriteIsKept: the deadline may pass while the bytes are being written and before the socket is found to be full.
func TestADeadlineDuringTheFirstWriteIsKept(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		deaf := hostileBroker(t, hostile.Silence)
		big := request(1, body(1, 16<<20))
		for d := 100 * time.Microsecond; d < 6*time.Millisecond; d += 200 * time.Microsecond {
			c := dial(t, e, deaf.Addr(), loop.Limits{})
			ctx, cancel := context.WithTimeout(t.Context(), d)
			stalled := stalls()
			began := time.Now()
			within(t, patience, "the call", func() {
				if _, err := c.RoundTrip(ctx, big, 0); !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("deadline of %v: %v", d, err)
				}
			})
			if took, late := time.Since(began), stalled(); took > time.Second+late {
				t.Errorf("with a deadline of %v the call took %v, on a machine that may stall for %v", d, took, late)
			}
			cancel()
			_ = c.Close()
		}
	})
}
