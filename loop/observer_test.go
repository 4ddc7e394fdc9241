package loop_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// watcher collects what an Observer is told.
type watcher struct {
	mu       sync.Mutex
	writes   []loop.WriteInfo
	reads    []loop.ReadInfo
	requests []loop.RequestInfo
}

func (w *watcher) observer() *loop.Observer {
	return &loop.Observer{
		OnWrite: func(i loop.WriteInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.writes = append(w.writes, i)
		},
		OnRead: func(i loop.ReadInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.reads = append(w.reads, i)
		},
		OnRequest: func(i loop.RequestInfo) {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.requests = append(w.requests, i)
		},
	}
}

// seen are the requests told of so far, whose times must add up.
func (w *watcher) seen(t *testing.T) []loop.RequestInfo {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.requests {
		if r.Queue < 0 || r.Write < 0 || r.Wait < 0 || r.Read < 0 || r.Queue+r.Write+r.Wait+r.Read != r.Total {
			t.Errorf("%+v: the steps do not add up to the total", r)
		}
		if !r.OneWay && (r.Err == nil) != (r.BytesReceived > 0) {
			t.Errorf("%+v: an error and an answer, or neither", r)
		}
	}
	return append([]loop.RequestInfo(nil), w.requests...)
}

// written is the sum of the writes and their number.
func (w *watcher) written() (requests, bytes, writes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.writes {
		requests += i.Requests
		bytes += i.Bytes
	}
	return requests, bytes, len(w.writes)
}

func (w *watcher) read() (responses, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, i := range w.reads {
		responses += i.Responses
		bytes += i.Bytes
	}
	return responses, bytes
}

func dialWatched(t *testing.T, e *loop.Engine, addr string, cfg loop.DialConfig) (*loop.Conn, *watcher) {
	t.Helper()
	w := &watcher{}
	cfg.Observer = w.observer()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := e.Dial(ctx, addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c, w
}

// keyed is a request with a key and a version in its header.
func keyed(key, version byte, size int) []byte {
	r := request(7, body(int(key), size))
	r[1], r[3] = key, version
	return r
}

// produce is the key of requests that answerAll takes for one-way ones.
const produce = 9

// answerAll mirrors all requests but one-way ones.
func answerAll(p *hostile.Peer) {
	for {
		r, err := p.ReadRequest()
		if err != nil {
			return
		}
		if r[1] != produce && p.Answer(int32(r[4])<<24|int32(r[5])<<16|int32(r[6])<<8|int32(r[7]), r[8:]) != nil {
			return
		}
	}
}

// calls are the ways to send a request that has an answer. They return when it has ended.
var calls = map[string]func(c *loop.Conn, ctx context.Context, request []byte, timeout time.Duration) error{
	"RoundTrip": func(c *loop.Conn, ctx context.Context, request []byte, timeout time.Duration) error {
		_, err := c.RoundTrip(ctx, request, timeout)
		return err
	},
	"Submit": func(c *loop.Conn, _ context.Context, request []byte, timeout time.Duration) error {
		deadline := time.Time{}
		if timeout > 0 {
			deadline = time.Now().Add(timeout)
		}
		ended := make(chan error, 1)
		if err := c.Submit(request, deadline, func(_ []byte, err error) { ended <- err }); err != nil {
			return err
		}
		return <-ended
	},
}

func TestAnObserverIsToldOfEachRequest(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	for _, secure := range []bool{false, true} {
		t.Run(name("TLS ", secure), func(t *testing.T) {
			eachDriver(t, func(t *testing.T, e *loop.Engine) {
				var c *loop.Conn
				var w *watcher
				if secure {
					b := tlsBroker(t, &tls.Config{Certificates: []tls.Certificate{cert}}, nil)
					c, w = dialWatched(t, e, b.Addr(), loop.DialConfig{TLS: &tls.Config{RootCAs: a.pool}})
				} else {
					c, w = dialWatched(t, e, hostileBroker(t, answerAll).Addr(), loop.DialConfig{})
				}
				var sent, received, n int
				for _, size := range []int{0, 50, loop.LendBytes, 3 << 20} {
					for how, call := range calls {
						r := keyed(3, 12, size)
						if err := call(c, t.Context(), r, patience); err != nil {
							t.Fatal(err)
						}
						all := w.seen(t)
						n++
						sent += 4 + len(r)
						received += len(r)
						if len(all) != n {
							t.Fatalf("told of %d requests when %s has returned, want %d", len(all), how, n)
						}
						got := all[n-1]
						if got.Key != 3 || got.Version != 12 || got.OneWay || got.BytesSent != 4+len(r) || got.BytesReceived != len(r) || got.Err != nil || got.Total <= 0 {
							t.Errorf("%s, %d bytes: told %+v", how, size, got)
						}
					}
				}
				if !secure {
					for range 3 {
						r := keyed(produce, 0, 100)
						if err := c.SendOneWay(t.Context(), r, patience); err != nil {
							t.Fatal(err)
						}
						n++
						sent += 4 + len(r)
						all := w.seen(t)
						if got := all[len(all)-1]; got.Key != produce || !got.OneWay || got.Err != nil || got.BytesSent != 4+len(r) || got.BytesReceived != 0 || got.Wait != 0 || got.Read != 0 {
							t.Errorf("one-way: told %+v", got)
						}
					}
					answer, err := c.AheadRaw(t.Context(), keyed(3, 0, 4), patience)
					if err != nil {
						t.Fatal(err)
					}
					n++
					sent += 4 + 12
					received += 4 + len(answer)
					if all := w.seen(t); all[len(all)-1].Key != -1 || all[len(all)-1].Version != -1 {
						t.Errorf("a bare token: told %+v, want no key", all[len(all)-1])
					}
				}
				eventually(t, "all writes told", func() bool { requests, bytes, _ := w.written(); return requests >= n && bytes >= sent })
				if requests, bytes, _ := w.written(); requests != n || bytes != sent {
					t.Errorf("writes of %d requests and %d bytes, want %d and %d", requests, bytes, n, sent)
				}
				if s := c.Stats(); len(w.seen(t)) != n || s.Requests != uint64(n) || s.BytesRead != uint64(received) {
					t.Errorf("told of %d requests, Stats %+v; want %d requests and %d bytes read", len(w.seen(t)), s, n, received)
				}
				if responses, bytes := w.read(); uint64(responses) != c.Stats().Answered || bytes != received {
					t.Errorf("reads of %d answers and %d bytes, want %d and %d", responses, bytes, c.Stats().Answered, received)
				}
			})
		})
	}
}

// Each end of a request that has no answer: told once, with the caller's error, the time in the step that it was in, and counted in its class.
func TestAnObserverIsToldOfRequestsWithoutAnswers(t *testing.T) {
	const short = 30 * time.Millisecond
	for _, tt := range []struct {
		name   string
		held   bool // in line, so that no byte leaves
		script hostile.Script
		end    func(e *loop.Engine, c *loop.Conn) // nil: the deadline
		class  loop.ErrorClass
		want   error
	}{
		{"deadline in line", true, hostile.Stall, nil, loop.ErrorTimeout, os.ErrDeadlineExceeded},
		{"deadline in flight", false, hostile.Stall, nil, loop.ErrorTimeout, os.ErrDeadlineExceeded},
		{"Close in line", true, hostile.Stall, func(_ *loop.Engine, c *loop.Conn) { _ = c.Close() }, loop.ErrorClosed, loop.ErrClosed},
		{"Close in flight", false, hostile.Stall, func(_ *loop.Engine, c *loop.Conn) { _ = c.Close() }, loop.ErrorClosed, loop.ErrClosed},
		{"Stop in flight", false, hostile.Stall, func(e *loop.Engine, _ *loop.Conn) { _ = e.Stop() }, loop.ErrorClosed, loop.ErrStopped},
		{"Shutdown in line", true, hostile.Stall, func(_ *loop.Engine, c *loop.Conn) { _ = c.Shutdown(context.Background()) }, loop.ErrorClosed, loop.ErrDraining},
		{"the peer's FIN", false, hostile.HalfClose(1), nil, loop.ErrorPeer, io.EOF},
		{"half an answer", false, hostile.CutFrame(3, mirror), nil, loop.ErrorPeer, io.ErrUnexpectedEOF},
		{"another's answer", false, hostile.WrongCorrelation(mirror), nil, loop.ErrorProtocol, nil},
	} {
		for how, call := range calls {
			t.Run(tt.name+" "+how, func(t *testing.T) {
				eachDriver(t, func(t *testing.T, e *loop.Engine) {
					c, w := dialWatched(t, e, hostileBroker(t, tt.script).Addr(), loop.DialConfig{})
					if tt.held {
						c.Hold()
					}
					timeout := patience
					if tt.class == loop.ErrorTimeout {
						timeout = short
					}
					began := time.Now()
					ended := make(chan error, 1)
					go func() { ended <- call(c, context.Background(), keyed(3, 1, 100), timeout) }()
					if tt.end != nil {
						eventually(t, "accepted", func() bool { s := c.Stats(); return s.Waiting+s.InFlight == 1 && s.PendingBytes == 0 })
						tt.end(e, c)
					}
					err := <-ended
					took := time.Since(began)
					all := w.seen(t)
					if len(all) != 1 {
						t.Fatalf("told of %d requests, want 1", len(all))
					}
					got := all[0]
					if got.Err == nil || got.Err.Error() != err.Error() && how == "Submit" || tt.want != nil && !errors.Is(got.Err, tt.want) || tt.want != nil && !errors.Is(err, tt.want) {
						t.Errorf("told of error %v, the caller has %v; want %v", got.Err, err, tt.want)
					}
					if got.Total > took || tt.class == loop.ErrorTimeout && got.Total < short {
						t.Errorf("told of %v, the call took %v with a timeout of %v", got.Total, took, timeout)
					}
					if tt.held && (got.Queue != got.Total || got.BytesSent != 0) || !tt.held && (got.Wait <= 0 || got.BytesSent != 4+108) || got.Read != 0 {
						t.Errorf("told %+v, which does not fit to a request that was sent: %v", got, !tt.held)
					}
					if s := c.Stats(); s.Errors[tt.class] != 1 || s.Errors.Total() != 1 || s.LastError == nil || s.LastErrorAt.Before(began) {
						t.Errorf("errors by class: %v, the last %v at %v; want one of class %v", s.Errors, s.LastError, s.LastErrorAt, tt.class)
					}
				})
			})
		}
	}
}

// Whatever ends them, accepted requests are told of once each, and the counts of the connection, of the engine and of the observer agree.
func TestAnObserverCountsWhatStatsCount(t *testing.T) {
	for _, stop := range []bool{false, true} {
		t.Run(name("Stop ", stop), func(t *testing.T) {
			eachDriver(t, func(t *testing.T, e *loop.Engine) {
				script := hostile.Seq(hostile.AnswerN(400, mirror), hostile.AnswerAfter(5*time.Millisecond, mirror))
				c, w := dialWatched(t, e, hostileBroker(t, script).Addr(), loop.DialConfig{Limits: loop.Limits{MaxInFlight: 20, MaxAbandoned: 1000}})
				var wg sync.WaitGroup
				for g := range 16 {
					wg.Go(func() {
						random := rand.New(rand.NewPCG(uint64(g), 1)) //nolint:gosec // a test's
						for i := range 60 {
							r := keyed(byte(g), byte(i), random.IntN(4000))
							timeout := time.Duration(random.IntN(12)) * time.Millisecond
							switch random.IntN(3) {
							case 0:
								_, _ = c.RoundTrip(t.Context(), r, timeout+1)
							case 1:
								ctx, cancel := context.WithCancel(t.Context())
								time.AfterFunc(timeout, cancel)
								_, _ = c.RoundTrip(ctx, r, 0)
								cancel()
							default:
								_ = c.Submit(r, time.Now().Add(timeout), func([]byte, error) {})
							}
							if g == 0 && i == 50 {
								if stop {
									_ = e.Stop()
								} else {
									_ = c.Close()
								}
							}
						}
					})
				}
				within(t, 6*patience, "all callers", wg.Wait)
				<-c.Done()
				s := c.Stats()
				if got := len(w.seen(t)); uint64(got) != s.Requests || s.Requests == 0 {
					t.Errorf("told of %d requests, %d were accepted", got, s.Requests)
				}
				if s.Requests != s.Answered+s.OneWay+s.Failed+s.GaveUp || s.Errors.Total() != s.Failed+s.GaveUp+s.Refused {
					t.Errorf("%+v does not add up", s)
				}
				var errs uint64
				for _, r := range w.seen(t) {
					if r.Err != nil {
						errs++
					}
				}
				if errs != s.Failed+s.GaveUp {
					t.Errorf("told of %d errors, Stats have %d", errs, s.Failed+s.GaveUp)
				}
				if total := e.Stats().Totals; total.Conns != 1 || total.Requests != s.Requests || total.Answered != s.Answered || total.GaveUp != s.GaveUp || total.Failed != s.Failed {
					t.Errorf("the engine's totals are %+v, the one connection's %+v", total, s)
				}
			})
		})
	}
}

func TestCombinedRequestsAreOneWrite(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c, w := dialWatched(t, e, hostileBroker(t, answerAll).Addr(), loop.DialConfig{})
		c.Hold()
		const n = 50
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				if _, err := c.RoundTrip(t.Context(), keyed(1, 1, 92), patience); err != nil {
					t.Error(err)
				}
			})
		}
		eventually(t, "all wait", func() bool { return c.Stats().Waiting == n })
		<-time.After(20 * time.Millisecond) // to be found in Queue
		c.Unhold()
		wg.Wait()
		eventually(t, "the write told", func() bool { _, _, writes := w.written(); return writes > 0 })
		if requests, bytes, writes := w.written(); requests != n || bytes != n*104 || writes != 1 {
			t.Errorf("%d writes of %d requests and %d bytes, want 1 of %d and %d", writes, requests, bytes, n, n*104)
		}
		for _, r := range w.seen(t) {
			if r.Queue < 20*time.Millisecond {
				t.Errorf("%+v: a request that was held for 20 ms was queued for less", r)
			}
		}
	})
}

// The steps that take long are those that the peer makes take long.
func TestStepsOfARequest(t *testing.T) {
	const long = 60 * time.Millisecond
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		t.Run("Wait and Read", func(t *testing.T) {
			b := hostileBroker(t, func(p *hostile.Peer) {
				if _, err := p.ReadRequest(); err != nil {
					return
				}
				<-time.After(long)
				_, _ = p.Write([]byte{0, 0, 0, 8, 0})
				<-time.After(long)
				_, _ = p.Write([]byte{0, 0, 0, 1, 2, 3, 4})
				<-p.Done()
			})
			c, w := dialWatched(t, e, b.Addr(), loop.DialConfig{})
			if _, err := c.RoundTrip(t.Context(), keyed(1, 1, 10), patience); err != nil {
				t.Fatal(err)
			}
			if r := w.seen(t)[0]; r.Wait < long/2 || r.Read < long/2 || r.BytesReceived != 12 {
				t.Errorf("%+v, want at least half of %v each of Wait and Read, and 12 bytes", r, long)
			}
		})
		t.Run("Read of a large answer", func(t *testing.T) {
			const size = 4 << 20
			b := hostileBroker(t, func(p *hostile.Peer) {
				if _, err := p.ReadRequest(); err != nil {
					return
				}
				_, _ = p.Write([]byte{0, size >> 16, 0, 0, 0, 0, 0, 0})
				_, _ = p.Write(make([]byte, size/2))
				<-time.After(long)
				_, _ = p.Write(make([]byte, size/2-4))
				<-p.Done()
			})
			c, w := dialWatched(t, e, b.Addr(), loop.DialConfig{})
			if _, err := c.RoundTrip(t.Context(), keyed(1, 1, 10), patience); err != nil {
				t.Fatal(err)
			}
			if r := w.seen(t)[0]; r.Read < long/2 || r.BytesReceived != size+4 {
				t.Errorf("%+v, want at least half of %v of Read", r, long)
			}
		})
		t.Run("Write", func(t *testing.T) {
			b := hostileBroker(t, func(p *hostile.Peer) {
				<-time.After(long)
				answerAll(p)
			})
			c, w := dialWatched(t, e, b.Addr(), loop.DialConfig{Limits: loop.Limits{MaxPendingBytes: 64 << 20}})
			if _, err := c.RoundTrip(t.Context(), keyed(1, 1, 20<<20), patience); err != nil {
				t.Fatal(err)
			}
			if r := w.seen(t)[0]; r.Write < long/2 {
				t.Errorf("%+v, want at least half of %v of Write", r, long)
			}
			eventually(t, "the write told", func() bool { _, _, writes := w.written(); return writes == 1 })
			if i := w.writes[0]; i.Elapsed < long/2 || i.Bytes != 4+8+20<<20 || i.Err != nil {
				t.Errorf("the write is %+v", i)
			}
		})
		t.Run("a write that fails", func(t *testing.T) {
			c, w := dialWatched(t, e, hostileBroker(t, hostile.Silence).Addr(), loop.DialConfig{})
			_, err := c.RoundTrip(t.Context(), keyed(1, 1, 32<<20), long)
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal(err)
			}
			<-c.Done()
			r := w.seen(t)[0]
			if r.BytesSent == 0 || r.BytesSent >= 32<<20 || r.Write < long/2 {
				t.Errorf("%+v, want a part of it sent, and at least half of %v of Write", r, long)
			}
			if len(w.writes) != 1 || w.writes[0].Err == nil || w.writes[0].Bytes == 0 || w.writes[0].Bytes >= 32<<20 {
				t.Errorf("the writes are %+v, want one with an error and a part of the bytes", w.writes)
			}
		})
	})
}

// A hook that panics ends its connection, and no other.
func TestAHookThatPanicsEndsItsConnection(t *testing.T) {
	for what, o := range map[string]*loop.Observer{
		"OnWrite":   {OnWrite: func(loop.WriteInfo) { panic("hook") }},
		"OnRead":    {OnRead: func(loop.ReadInfo) { panic("hook") }},
		"OnRequest": {OnRequest: func(loop.RequestInfo) { panic("hook") }},
	} {
		for how, call := range calls {
			t.Run(what+" "+how, func(t *testing.T) {
				eachDriver(t, func(t *testing.T, e *loop.Engine) {
					b := hostileBroker(t, answerAll)
					other := dial(t, e, b.Addr(), loop.Limits{})
					c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{Observer: o})
					if err != nil {
						t.Fatal(err)
					}
					_ = call(c, t.Context(), keyed(1, 1, 10), patience)
					within(t, patience, "the connection", func() { <-c.Done() })
					var p *loop.PanicError
					if !errors.As(c.Err(), &p) || p.Value != "hook" {
						t.Errorf("the connection has ended with %v, want the panic", c.Err())
					}
					for range 20 { // on both loops
						if _, err := other.RoundTrip(t.Context(), keyed(1, 1, 10), patience); err != nil {
							t.Error(err)
						}
					}
				})
			})
		}
	}
}

// An Observer that wants to know of one thing is told of that alone.
func TestObserversMayBeIncomplete(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, answerAll)
		told := make(chan string, 10)
		for want, o := range map[string]*loop.Observer{
			"":        {},
			"write":   {OnWrite: func(loop.WriteInfo) { told <- "write" }},
			"read":    {OnRead: func(loop.ReadInfo) { told <- "read" }},
			"request": {OnRequest: func(loop.RequestInfo) { told <- "request" }},
		} {
			c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{Observer: o})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.RoundTrip(t.Context(), keyed(1, 1, 10), patience); err != nil {
				t.Error(err)
			}
			if want != "" {
				within(t, patience, want, func() {
					if got := <-told; got != want {
						t.Errorf("told of a %s, want a %s", got, want)
					}
				})
			}
			_ = c.Close()
			if len(told) != 0 {
				t.Errorf("told of %d more things", len(told))
			}
		}
	})
}
