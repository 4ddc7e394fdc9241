package loop_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// TestEveryAcceptedRequestEndsOnce lets callers, deadlines, cancels, closes and a broker that dies meet in every order.
func TestEveryAcceptedRequestEndsOnce(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for round := range 6 {
			b := hostileBroker(t,
				hostile.Answer(mirror),
				hostile.Seq(hostile.AnswerN(200, mirror), hostile.Reset(1)),
				hostile.AnswerAfter(2*time.Millisecond, mirror),
				hostile.Seq(hostile.AnswerN(50, mirror), hostile.Stall),
				hostile.Silence,
			)
			var all ends
			var wg sync.WaitGroup
			var conns []*loop.Conn
			for range 5 {
				conns = append(conns, dial(t, e, b.Addr(), loop.Limits{MaxInFlight: 40, MaxPendingBytes: 256 << 10, MaxAbandonedAge: 200 * time.Millisecond}))
			}
			for ci, c := range conns {
				for g := range 6 {
					wg.Go(func() {
						rnd := rand.New(rand.NewPCG(uint64(round), uint64(ci*100+g)))
						for i := range 60 {
							n := name(ci, "/", g, "/", i)
							r := request(int32(i), body(i, rnd.IntN(5000)))
							if rnd.IntN(20) == 0 {
								r = request(int32(i), body(i, 100_000))
							}
							timeout := time.Duration(1+rnd.IntN(30)) * time.Millisecond
							switch rnd.IntN(4) {
							case 0:
								all.expect(n)
								if c.Submit(r, time.Now().Add(timeout), func(_ []byte, err error) {
									checkEnd(t, err)
									all.end(n)
								}) != nil {
									all.end(n)
								}
							case 1:
								ctx, cancel := context.WithTimeout(t.Context(), timeout)
								if rnd.IntN(2) == 0 {
									time.AfterFunc(timeout/2, cancel)
								}
								_, err := c.RoundTrip(ctx, r, 0)
								checkEnd(t, err)
								cancel()
							case 2:
								checkEnd(t, c.SendOneWay(t.Context(), r, timeout))
							default:
								got, err := c.RoundTrip(t.Context(), r, timeout)
								checkEnd(t, err)
								if err == nil && len(got) != len(r)-4 {
									t.Errorf("answer of %d bytes to a request of %d", len(got), len(r))
								}
							}
							clear(r) // ours again, whatever the end was
						}
					})
				}
			}
			if round%2 == 1 {
				wg.Go(func() {
					<-time.After(10 * time.Millisecond)
					_ = conns[0].Close()
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
					defer cancel()
					_ = conns[2].Shutdown(ctx)
				})
			}
			within(t, 6*patience, "callers", wg.Wait)
			for _, c := range conns {
				_ = c.Close()
			}
			all.check(t)
			for _, c := range conns {
				s := c.Stats()
				if s.Requests != s.Answered+s.OneWay+s.Failed+s.GaveUp {
					t.Errorf("Stats = %+v: requests do not add up", s)
				}
			}
			b.Close()
		}
	})
}

// checkEnd fails the test on an end that no caller should see.
func checkEnd(t *testing.T, err error) {
	var op *loop.OpError
	if err != nil && !errors.As(err, &op) {
		t.Errorf("error %v (%T) is no OpError", err, err)
	}
	var p *loop.PanicError
	if errors.As(err, &p) {
		t.Errorf("panic: %v\n%s", p.Value, p.Stack)
	}
}

// TestWritesNeverHitAReusedDescriptor closes connections under three senders each while new connections take their numbers: a write that came
// too late would reach a stranger.
func TestWritesNeverHitAReusedDescriptor(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		var strangers atomic.Int64
		guard := listenAndCount(t, &strangers)
		var wg sync.WaitGroup
		for worker := range 8 {
			wg.Go(func() {
				for i := range 25 {
					c := dial(t, e, b.Addr(), loop.Limits{})
					var senders sync.WaitGroup
					for range 3 {
						senders.Go(func() {
							for {
								if _, err := c.RoundTrip(t.Context(), request(1, body(worker, 100)), patience); err != nil {
									return
								}
							}
						})
					}
					if i%2 == 0 {
						_, _ = c.RoundTrip(t.Context(), request(1, nil), patience)
					}
					_ = c.Close()
					nc, err := net.Dial("tcp", guard) // takes the number that has just become free
					if err != nil {
						t.Error(err)
						return
					}
					senders.Wait()
					_ = nc.Close()
				}
			})
		}
		within(t, 6*patience, "workers", wg.Wait)
		if n := strangers.Load(); n != 0 {
			t.Errorf("%d bytes went to connections of somebody else", n)
		}
	})
}

// listenAndCount accepts connections on which nothing must ever be sent, and counts what is.
func listenAndCount(t *testing.T, bytes *atomic.Int64) string {
	t.Helper()
	b := hostileBroker(t, func(p *hostile.Peer) {
		var buf [1024]byte
		for {
			n, err := p.Read(buf[:])
			bytes.Add(int64(n))
			if err != nil {
				return
			}
		}
	})
	return b.Addr()
}

// TestCloseDuringAStallEndsTheStalledWriter closes while a duplicate of the descriptor is being waited on.
func TestCloseDuringAStallEndsTheStalledWriter(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Silence)
		for i := range 10 {
			c := dial(t, e, b.Addr(), loop.Limits{MaxPendingBytes: 64 << 20})
			var wg sync.WaitGroup
			for range 3 {
				wg.Go(func() {
					r := request(1, body(i, 8<<20))
					_, err := c.RoundTrip(t.Context(), r, patience)
					if !errors.Is(err, loop.ErrClosed) {
						t.Errorf("error = %v, want ErrClosed", err)
					}
					clear(r)
				})
			}
			eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
			within(t, patience, "Close", func() { _ = c.Close() })
			within(t, patience, "callers", wg.Wait)
		}
	})
}

func TestDialsAndStopMeetSafely(t *testing.T) {
	for _, d := range drivers() {
		t.Run(d.String(), func(t *testing.T) {
			b := hostileBroker(t, hostile.Answer(mirror))
			for range 10 {
				e, err := loop.Start(loop.Config{Driver: d, Loops: 2})
				if err != nil {
					t.Fatal(err)
				}
				var wg sync.WaitGroup
				for g := range 8 {
					wg.Go(func() {
						for {
							c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{})
							if err != nil {
								if !errors.Is(err, loop.ErrStopped) {
									t.Errorf("Dial: %v, want ErrStopped", err)
								}
								return
							}
							_, err = c.RoundTrip(t.Context(), request(int32(g), nil), patience)
							if err != nil && !errors.Is(err, loop.ErrStopped) {
								t.Errorf("RoundTrip: %v, want ErrStopped", err)
							}
						}
					})
				}
				eventually(t, "connections", func() bool { return e.Conns() > 20 })
				within(t, patience, "Stop", func() {
					var stops sync.WaitGroup
					for range 3 {
						stops.Go(func() {
							if err := e.Stop(); err != nil {
								t.Error(err)
							}
						})
					}
					stops.Wait()
				})
				within(t, patience, "dials", wg.Wait)
				if n := e.Conns(); n != 0 {
					t.Errorf("%d connections are counted after Stop", n)
				}
			}
		})
	}
}

// TestStopEndsAllRequests stops an engine under load: what the driver loses, the connection's own registry does not.
func TestStopEndsAllRequests(t *testing.T) {
	for _, d := range drivers() {
		t.Run(d.String(), func(t *testing.T) {
			b := hostileBroker(t, hostile.Answer(mirror), hostile.Answer(mirror), hostile.Silence, hostile.Stall)
			e, err := loop.Start(loop.Config{Driver: d, Loops: 2})
			if err != nil {
				t.Fatal(err)
			}
			var all ends
			var wg sync.WaitGroup
			var accepted atomic.Int64
			for ci := range 8 {
				c := dial(t, e, b.Addr(), loop.Limits{MaxAbandoned: 1 << 20})
				for g := range 4 {
					wg.Go(func() {
						for i := 0; ; i++ {
							n := name(ci, "/", g, "/", i)
							all.expect(n)
							// Short deadlines make callbacks that are posted while the engine stops.
							err := c.Submit(request(1, body(i, 2000)), time.Now().Add(time.Duration(i%5)*time.Millisecond), func([]byte, error) { all.end(n) })
							if err != nil {
								all.end(n)
								if !errors.Is(err, loop.ErrQueueFull) {
									return
								}
							}
							accepted.Add(1)
							if i%4 == 0 {
								_, _ = c.RoundTrip(t.Context(), request(2, nil), 5*time.Millisecond)
							}
						}
					})
				}
			}
			eventually(t, "load", func() bool { return accepted.Load() > 2000 })
			within(t, patience, "Stop", func() { _ = e.Stop() })
			within(t, patience, "callers", wg.Wait)
			all.check(t)
			if _, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{}); !errors.Is(err, loop.ErrStopped) || !errors.Is(err, net.ErrClosed) {
				t.Errorf("Dial after Stop: %v, want ErrStopped", err)
			}
		})
	}
}
