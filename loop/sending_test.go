package loop_test

import (
	"context"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// stalled gives a connection that holds n bytes of the budget for sending, because its peer does not read.
func stalled(t *testing.T, e *loop.Engine, n int, wg *sync.WaitGroup) *loop.Conn {
	t.Helper()
	c := dial(t, e, hostileBroker(t, hostile.Silence).Addr(), loop.Limits{})
	wg.Go(func() { _, _ = c.RoundTrip(t.Context(), request(1, body(1, n)), 0) })
	eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
	return c
}

// waitingConns waits for n connections in the engine's line.
func waitingConns(t *testing.T, e *loop.Engine, n int) {
	t.Helper()
	eventually(t, name(n, " connections in line"), func() bool { return e.Stats().WaitingConns == n })
}

func TestAFullBudgetForSendingIsAFullQueueToAllConnections(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxSendingBytes: 1 << 20}, func(t *testing.T, e *loop.Engine) {
		var wg sync.WaitGroup
		deaf := stalled(t, e, 16<<20, &wg) // alone, any request is let in
		if n := e.Stats().SendingBytes; n != 12+16<<20 {
			t.Errorf("%d bytes are held, want the %d of the one request", n, 12+16<<20)
		}
		good := hostileBroker(t, hostile.Answer(mirror))
		waits, refuses := dial(t, e, good.Addr(), loop.Limits{}), dial(t, e, good.Addr(), loop.Limits{RefuseWhenFull: true})

		var op *loop.OpError
		began := time.Now()
		_, err := waits.RoundTrip(t.Context(), request(1, nil), 50*time.Millisecond)
		if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || !op.SafeToRetry() || took < 50*time.Millisecond {
			t.Errorf("RoundTrip after %v: %v, want a deadline's error after 50 ms that is safe to retry", took, err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if err := waits.SendOneWay(ctx, request(1, nil), 0); !errors.Is(err, context.Canceled) {
				t.Errorf("SendOneWay: %v, want context.Canceled", err)
			}
		})
		waitingConns(t, e, 1)
		cancel()
		waitingConns(t, e, 0)
		if _, err := refuses.RoundTrip(t.Context(), request(1, nil), patience); !errors.Is(err, loop.ErrQueueFull) {
			t.Errorf("RoundTrip with RefuseWhenFull: %v, want ErrQueueFull", err)
		}
		if err := waits.Submit(request(1, nil), time.Time{}, func([]byte, error) { t.Error("called") }); !errors.Is(err, loop.ErrQueueFull) {
			t.Errorf("Submit: %v, want ErrQueueFull", err)
		}
		if _, err := waits.Ahead(t.Context(), request(1, nil), patience); err != nil {
			t.Errorf("Ahead, which passes all limits: %v", err)
		}

		wg.Go(func() {
			r := request(1, body(2, 2<<20)) // larger than the budget as well
			got, err := waits.RoundTrip(t.Context(), r, patience)
			if err != nil {
				t.Error(err)
				return
			}
			checkMirrored(t, r, got)
		})
		waitingConns(t, e, 1)
		if s := e.Stats(); s.SendingWaits != 3 || s.MaxSendingBytes != 1<<20 {
			t.Errorf("Stats = %+v, want 3 waits and the budget of 1 MiB", s)
		}
		_ = deaf.Close()
		within(t, patience, "the others", wg.Wait)
		nothingHeld(t, e)
	})
}

// TestConnectionsInLineTakeTurns: one with many senders lets one with a single small request in after a turn.
func TestConnectionsInLineTakeTurns(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxSendingBytes: 300_000}, func(t *testing.T, e *loop.Engine) {
		var mu sync.Mutex
		var order []byte // of the requests' first bytes, as they arrived
		b := hostileBroker(t, func(p *hostile.Peer) {
			for {
				r, err := p.ReadRequest()
				if err != nil {
					return
				}
				mu.Lock()
				order = append(order, r[8])
				mu.Unlock()
				if p.Answer(int32(binary.BigEndian.Uint32(r[4:])), nil) != nil {
					return
				}
			}
		})
		var wg sync.WaitGroup
		deaf := stalled(t, e, 8<<20, &wg)
		many, single := dial(t, e, b.Addr(), loop.Limits{}), dial(t, e, b.Addr(), loop.Limits{})
		const senders = 200
		call := func(c *loop.Conn, kind byte, n int) {
			wg.Go(func() {
				if _, err := c.RoundTrip(t.Context(), request(1, append([]byte{kind}, make([]byte, n)...)), 0); err != nil {
					t.Error(err)
				}
			})
		}
		for range senders {
			call(many, 'm', 100_000)
		}
		eventually(t, "all in line", func() bool { return many.Stats().Waiting == senders })
		call(single, 's', 10)
		waitingConns(t, e, 2)
		_ = deaf.Close()
		within(t, 3*patience, "the callers", wg.Wait)
		mu.Lock()
		defer mu.Unlock()
		for i, kind := range order {
			if kind == 's' && i > senders/2 {
				t.Errorf("the single request arrived after %d others, want it after a few", i)
			}
		}
		nothingHeld(t, e)
	})
}

// TestTheFirstInLineDoesNotHoldUpTheNextWhenItGivesUp by its deadline, its context or its connection's end.
func TestTheFirstInLineDoesNotHoldUpTheNextWhenItGivesUp(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxSendingBytes: 9 << 20}, func(t *testing.T, e *loop.Engine) {
		good := hostileBroker(t, hostile.Answer(mirror))
		for _, how := range []string{"deadline", "cancel", "Close", "Shutdown", "Hold", "the same connection's next"} {
			var wg sync.WaitGroup
			deaf := stalled(t, e, 8<<20, &wg)
			first, next := dial(t, e, good.Addr(), loop.Limits{MaxPendingBytes: 16 << 20}), dial(t, e, good.Addr(), loop.Limits{})
			if how == "the same connection's next" {
				_ = next.Close()
				next = first
			}
			ctx, cancel := context.WithCancel(t.Context())
			timeout := time.Duration(0)
			if how == "deadline" || next == first {
				timeout = 100 * time.Millisecond
			}
			wg.Go(func() {
				if _, err := first.RoundTrip(ctx, request(1, make([]byte, 4<<20)), timeout); err == nil {
					t.Errorf("%s: answered", how)
				}
			})
			waitingConns(t, e, 1)
			done := make(chan struct{})
			wg.Go(func() {
				defer close(done)
				if _, err := next.RoundTrip(t.Context(), request(1, nil), patience); err != nil {
					t.Errorf("%s: the next in line: %v", how, err)
				}
			})
			switch how {
			case "cancel":
				waitingConns(t, e, 2)
				cancel()
			case "Close":
				waitingConns(t, e, 2)
				_ = first.Close()
			case "Shutdown":
				waitingConns(t, e, 2)
				_ = first.Shutdown(context.Background())
			case "Hold":
				waitingConns(t, e, 2)
				first.Hold()
				_, _ = first.RoundTrip(t.Context(), request(1, nil), 10*time.Millisecond) // the line is looked at again
			}
			within(t, patience, how, func() { <-done })
			cancel()
			_ = deaf.Close()
			_ = first.Close()
			_ = next.Close()
			within(t, patience, "the callers", wg.Wait)
			nothingHeld(t, e)
		}
	})
}

// TestRequestsThatHoldKeepsCountInTheBudget: Submit's, which are copied.
func TestRequestsThatHoldKeepsCountInTheBudget(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxSendingBytes: 1000}, func(t *testing.T, e *loop.Engine) {
		for _, end := range []string{"Unhold", "deadline", "Close", "Shutdown"} {
			c := dial(t, e, hostileBroker(t, hostile.Answer(mirror)).Addr(), loop.Limits{})
			c.Hold()
			var wg sync.WaitGroup
			deadline := time.Now().Add(patience)
			if end == "deadline" {
				deadline = time.Now().Add(50 * time.Millisecond)
			}
			for i := range 3 {
				wg.Add(1)
				err := c.Submit(request(1, make([]byte, 400)), deadline, func(_ []byte, err error) {
					if (err == nil) != (end == "Unhold") {
						t.Errorf("%s: %v", end, err)
					}
					wg.Done()
				})
				if (err != nil) != (i == 2) || err != nil && !errors.Is(err, loop.ErrQueueFull) {
					t.Errorf("request %d of 412 bytes: %v", i, err)
				}
				if err != nil {
					wg.Done()
				}
			}
			if n := e.Stats().SendingBytes; n != 2*412 && end != "deadline" {
				t.Errorf("%d bytes are held, want %d", n, 2*412)
			}
			switch end {
			case "Close":
				_ = c.Close()
			case "Shutdown":
				_ = c.Shutdown(context.Background())
			case "Unhold":
				c.Unhold()
			}
			within(t, patience, end, wg.Wait)
			nothingHeld(t, e)
			_ = c.Close()
		}
	})
}

// TestNobodyInLineIsForgotten: many more requests than fit, on many connections, are all let in, whatever others give up or end meanwhile.
func TestNobodyInLineIsForgotten(t *testing.T) {
	const budget, largest = 20_000, 50_000
	eachDriverWith(t, loop.Config{MaxSendingBytes: budget}, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		mortal := hostileBroker(t, hostile.Seq(hostile.AnswerN(20, mirror), hostile.Reset(1)))
		var wg sync.WaitGroup
		var waits atomic.Int64
		for ci := range 8 {
			c := dial(t, e, b.Addr(), loop.Limits{MaxInFlight: 5})
			for g := range 6 {
				wg.Go(func() {
					for i := range 40 {
						r := request(int32(i), body(ci*100+g, rand.IntN(largest-100)))
						if i%3 > 0 {
							r = r[:8+(len(r)-8)%200]
						}
						got, err := c.RoundTrip(t.Context(), r, 0) // for ever, if it were forgotten
						if err != nil {
							t.Errorf("connection %d: %v", ci, err)
							return
						}
						checkMirrored(t, r, got)
						waits.Add(1)
					}
				})
			}
		}
		for range 3 {
			wg.Go(func() {
				for range 15 {
					c, err := e.Dial(t.Context(), mortal.Addr(), loop.DialConfig{})
					if err != nil {
						return
					}
					var calls sync.WaitGroup
					for i := range 30 {
						calls.Go(func() {
							r := request(int32(i), make([]byte, rand.IntN(20_000)))
							timeout := time.Duration(1+rand.IntN(20)) * time.Millisecond
							if i%2 == 0 {
								_, _ = c.RoundTrip(t.Context(), r, timeout)
							} else {
								_ = c.SendOneWay(t.Context(), r, timeout)
							}
						})
					}
					if rand.IntN(3) == 0 {
						_ = c.Close()
					}
					calls.Wait()
					_ = c.Close()
				}
			})
		}
		within(t, 12*patience, "the callers", wg.Wait)
		nothingHeld(t, e)
		if s := e.Stats(); s.SendingWaits == 0 {
			t.Errorf("Stats = %+v, want waits", s)
		}
		if peak := loop.SendingPeak(e); peak > max(budget, largest) {
			t.Errorf("%d bytes were pending, over the budget of %d or one request of %d", peak, budget, largest)
		}
	})
}

// TestStopEmptiesTheBudgetForSending with connections in line and writers stalled.
func TestStopEmptiesTheBudgetForSending(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxSendingBytes: 1 << 20}, func(t *testing.T, e *loop.Engine) {
		var wg sync.WaitGroup
		_ = stalled(t, e, 8<<20, &wg)
		for range 5 {
			c := dial(t, e, hostileBroker(t, hostile.Stall).Addr(), loop.Limits{})
			wg.Go(func() {
				if _, err := c.RoundTrip(t.Context(), request(1, nil), 0); !errors.Is(err, loop.ErrStopped) {
					t.Errorf("in line: %v, want ErrStopped", err)
				}
			})
		}
		waitingConns(t, e, 5)
		within(t, patience, "Stop", func() { _ = e.Stop() })
		within(t, patience, "the callers", wg.Wait)
		nothingHeld(t, e)
	})
}
