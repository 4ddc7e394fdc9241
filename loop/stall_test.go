package loop_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// TestADeadlineSurvivesThePromotionFromTheLine: a request that gets its place because another one's deadline has passed keeps its own.
func TestADeadlineSurvivesThePromotionFromTheLine(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.Silence).Addr(), loop.Limits{MaxInFlight: 2, MaxPendingBytes: 1 << 30})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.RoundTrip(t.Context(), request(1, body(1, 20<<20)), 0) })
		eventually(t, "a stall", func() bool { return c.Stats().Stalls == 1 })
		// By Submit, which returns when it is in flight.
		if err := c.Submit(request(2, nil), time.Now().Add(100*time.Millisecond), func([]byte, error) {}); err != nil {
			t.Fatal(err)
		}
		within(t, patience, "the third call", func() {
			if _, err := c.RoundTrip(t.Context(), request(3, nil), 300*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("error = %v, want a deadline's", err)
			}
		})
		_ = c.Close()
		wg.Wait()
	})
}

// TestAnAnswerToWhatWasNotReadDoesNotHoldTheCaller: the peer guesses the correlation id and reads nothing.
func TestAnAnswerToWhatWasNotReadDoesNotHoldTheCaller(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		answer := make(chan struct{})
		b := hostileBroker(t, hostile.Seq(func(p *hostile.Peer) {
			<-answer
			_, _ = p.Write([]byte{0, 0, 0, 4, 0, 0, 0, 0})
		}, hostile.Silence))
		c := dial(t, e, b.Addr(), loop.Limits{})
		big := request(1, body(1, 32<<20))
		done := make(chan struct{})
		go func() {
			defer close(done)
			_, _ = c.RoundTrip(context.Background(), big, 300*time.Millisecond)
			clear(big)
		}()
		eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
		close(answer)
		within(t, patience, "the call", func() { <-done })
	})
}

func TestCloseEndsAStalledTLSStream(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, func(p *hostile.Peer) {
			if tls.Server(p, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake() == nil {
				hostile.Silence(p)
			}
		})
		s, err := e.DialStream(t.Context(), b.Addr(), loop.DialConfig{TLS: &tls.Config{RootCAs: a.pool}})
		if err != nil {
			t.Fatal(err)
		}
		wrote := make(chan error, 1)
		go func() {
			_, err := s.Write(make([]byte, 64<<20))
			wrote <- err
		}()
		eventually(t, "a stalled writer", func() bool { return loop.Stalling(s) })
		within(t, patience, "Close", func() { _ = s.Close() })
		if err := <-wrote; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v, want net.ErrClosed", err)
		}
	})
}

// TestABridgeEndsWithItsConnection also when its tunnel takes no bytes.
func TestABridgeEndsWithItsConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		type wrapped struct{ net.Conn }
		c, err := e.Dial(t.Context(), hostileBroker(t, hostile.Silence).Addr(), loop.DialConfig{Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return wrapped{nc}, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.RoundTrip(t.Context(), request(1, make([]byte, 64<<20)), 0) })
		eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
		_ = c.Close()
		wg.Wait() // and the leak check sees the bridge's goroutines
	})
}

// TestWithdrawnRequestsNeverReachTheWire: requests of all kinds queue behind a stall, half of them are given up, in any order, and what arrives is
// exactly the other half, whole.
func TestWithdrawnRequestsNeverReachTheWire(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for seed := range 4 {
			random := rand.New(rand.NewPCG(uint64(seed), 7))
			read := make(chan struct{})
			var mu sync.Mutex
			arrived := make(map[uint32]int)
			b := hostileBroker(t, func(p *hostile.Peer) {
				<-read
				for {
					r, err := p.ReadRequest()
					if err != nil {
						return
					}
					own := binary.BigEndian.Uint32(r[8:])
					if string(r[12:]) != string(body(int(own), len(r)-12)) {
						t.Errorf("seed %d: request %d arrived changed", seed, own)
					}
					mu.Lock()
					arrived[own]++
					mu.Unlock()
					if r[0] == 0 && p.Answer(int32(binary.BigEndian.Uint32(r[4:])), r[8:12]) != nil {
						return
					}
				}
			})
			c := dial(t, e, b.Addr(), loop.Limits{MaxInFlight: 1000, MaxPendingBytes: 1 << 30})
			framed := func(id uint32, n int, oneWay bool) []byte {
				r := request(int32(id), binary.BigEndian.AppendUint32(nil, id))
				if oneWay {
					r[0] = 1
				}
				return append(r, body(int(id), n)...)
			}
			var wg sync.WaitGroup
			wg.Go(func() {
				if _, err := c.RoundTrip(t.Context(), framed(1, 12<<20, false), 0); err != nil {
					t.Error(err)
				}
			})
			eventually(t, "a stall", func() bool { return c.Stats().Stalls == 1 })
			var withdrawn []context.CancelFunc
			gone := make(map[uint32]bool)
			for id := uint32(2); id < 60; id++ {
				n := []int{0, 5, 1000, loop.LendBytes - 20, loop.LendBytes, 40_000, loop.CombineBytes, 100_000}[random.IntN(8)]
				oneWay, give := random.IntN(4) == 0, random.IntN(2) == 0
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if give {
					gone[id] = true
					withdrawn = append(withdrawn, cancel)
				}
				r := framed(id, n, oneWay)
				wg.Go(func() {
					var err error
					if oneWay {
						err = c.SendOneWay(ctx, r, 0)
					} else {
						_, err = c.RoundTrip(ctx, r, 0)
					}
					if give != (err != nil) {
						t.Errorf("seed %d: request %d, withdrawn %v: %v", seed, id, give, err)
					}
				})
				eventually(t, "the request in the queue", func() bool { return c.Stats().Requests == uint64(id) })
			}
			random.Shuffle(len(withdrawn), func(i, j int) { withdrawn[i], withdrawn[j] = withdrawn[j], withdrawn[i] })
			var cancels sync.WaitGroup
			for _, cancel := range withdrawn {
				cancels.Go(cancel)
			}
			cancels.Wait()
			eventually(t, "all given up", func() bool { return c.Stats().GaveUp == uint64(len(withdrawn)) })
			close(read)
			within(t, 3*patience, "the others", wg.Wait)
			_ = c.Close()
			b.Close()
			for id, n := range arrived {
				if n != 1 || gone[id] {
					t.Errorf("seed %d: request %d arrived %d times, withdrawn %v", seed, id, n, gone[id])
				}
			}
		}
	})
}

// TestCloseReturnsAfterTheCallbacks: when Close returns, all requests have ended.
func TestCloseReturnsAfterTheCallbacks(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.Stall).Addr(), loop.Limits{})
		var ended atomic.Int64
		for i := range 50 {
			if err := c.Submit(request(int32(i), nil), time.Time{}, func([]byte, error) {
				<-time.After(time.Millisecond)
				ended.Add(1)
			}); err != nil {
				t.Fatal(err)
			}
		}
		_ = c.Close()
		if n := ended.Load(); n != 50 {
			t.Errorf("Close has returned after %d of 50 callbacks", n)
		}
	})
}

func TestADeadlineInTheFarPastHasPassed(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.Stall).Addr(), loop.Limits{})
		ended := make(chan error, 1)
		if err := c.Submit(request(1, nil), time.Date(1, 1, 2, 0, 0, 0, 0, time.UTC), func(_ []byte, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		within(t, patience, "the request", func() {
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("error = %v, want a deadline's", err)
			}
		})
	})
}
