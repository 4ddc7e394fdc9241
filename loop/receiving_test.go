package loop_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// largeAnswers answers requests with answers of n bytes, each of which pauses after `before` bytes until it gets a token.
type largeAnswers struct {
	payload []byte // of all answers, but for the correlation id
	before  int
	tokens  chan struct{}
}

func newLargeAnswers(n, before int) *largeAnswers {
	return &largeAnswers{payload: body(n, n), before: before, tokens: make(chan struct{}, 1000)}
}

func (l *largeAnswers) script(p *hostile.Peer) { l.serve(p, p.Done()) }

func (l *largeAnswers) serve(c io.ReadWriter, done <-chan struct{}) {
	for {
		id, err := readFrame(c)
		if err != nil {
			return
		}
		head := binary.BigEndian.AppendUint32(nil, uint32(len(l.payload)+4))
		if _, err := c.Write(append(append(head, id...), l.payload[:l.before]...)); err != nil {
			return
		}
		select {
		case <-l.tokens:
		case <-done:
			return
		}
		if _, err := c.Write(l.payload[l.before:]); err != nil {
			return
		}
	}
}

// readFrame reads a request and gives its correlation id.
func readFrame(c io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		return nil, err
	}
	r := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, r); err != nil {
		return nil, err
	}
	return r[4:8], nil
}

func (l *largeAnswers) check(t *testing.T, got []byte, err error) {
	t.Helper()
	switch {
	case err != nil:
		t.Errorf("no answer: %v", err)
	case len(got) != 4+len(l.payload) || !bytes.Equal(got[4:], l.payload):
		t.Errorf("an answer of %d bytes came changed, want %d", len(got), 4+len(l.payload))
	}
}

// nothingHeld fails the test unless both budgets come back to zero.
func nothingHeld(t *testing.T, e *loop.Engine) {
	t.Helper()
	eventually(t, "empty budgets", func() bool {
		s := e.Stats()
		return s.ReceivingBytes == 0 && s.SendingBytes == 0 && s.PausedConns == 0 && s.WaitingConns == 0
	})
}

// TestManyLargeAnswersKeepWithinTheBudget: each of 50 connections gets an answer of half the budget, all at once.
func TestManyLargeAnswersKeepWithinTheBudget(t *testing.T) {
	const conns, answer, budget = 50, 8 << 20, 16 << 20
	eachDriverWith(t, loop.Config{MaxReceivingBytes: budget}, func(t *testing.T, e *loop.Engine) {
		l := newLargeAnswers(answer, 1<<10)
		b := hostileBroker(t, l.script)
		var wg sync.WaitGroup
		for i := range conns {
			c := dial(t, e, b.Addr(), loop.Limits{})
			wg.Add(1)
			if i%2 == 0 {
				if err := c.Submit(request(1, nil), time.Time{}, func(got []byte, err error) {
					l.check(t, got, err)
					wg.Done()
				}); err != nil {
					t.Fatal(err)
				}
				continue
			}
			go func() {
				defer wg.Done()
				got, err := c.RoundTrip(t.Context(), request(1, nil), 0)
				l.check(t, got, err)
			}()
		}
		eventually(t, "all asked", func() bool { return b.Accepted() == conns })
		for range conns {
			l.tokens <- struct{}{}
		}
		within(t, 12*patience, "answers", wg.Wait)
		nothingHeld(t, e)
		s := e.Stats()
		// One answer over the budget, whose memory may be a quarter larger where it is used again.
		if peak, bound := loop.ReceivingPeak(e), int64(budget+answer*5/4+conns*loop.UnaskedBytes); peak > bound {
			t.Errorf("%d bytes were held, over the bound of %d", peak, bound)
		} else {
			t.Logf("%d bytes were held at most, under a budget of %d", peak, budget)
		}
		if s.Pauses == 0 || s.MaxReceivingBytes != budget {
			t.Errorf("Stats = %+v, want pauses and the budget of %d", s, budget)
		}
	})
}

// TestAnswersLargerThanTheBudgetComeOneAfterTheOther: the second one pauses its connection, whose deadlines go on, and no other's.
func TestAnswersLargerThanTheBudgetComeOneAfterTheOther(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxReceivingBytes: 256 << 10}, func(t *testing.T, e *loop.Engine) {
		l := newLargeAnswers(2<<20, 1<<20)
		large := hostileBroker(t, l.script)
		small := dial(t, e, hostileBroker(t, hostile.Answer(mirror)).Addr(), loop.Limits{})
		first, second := dial(t, e, large.Addr(), loop.Limits{}), dial(t, e, large.Addr(), loop.Limits{MaxAbandonedAge: time.Second})

		var wg sync.WaitGroup
		ask := func(c *loop.Conn) {
			wg.Go(func() {
				got, err := c.RoundTrip(t.Context(), request(1, nil), 0)
				l.check(t, got, err)
			})
		}
		ask(first)
		eventually(t, "memory for the first answer", func() bool { return e.Stats().ReceivingBytes >= 2<<20 })
		ask(second)
		eventually(t, "a pause", func() bool { return e.Stats().PausedConns == 1 })

		if _, err := second.RoundTrip(t.Context(), request(2, nil), 50*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("RoundTrip on a paused connection: %v, want a deadline's error", err)
		}
		ended := make(chan error, 1)
		if err := second.Submit(request(3, nil), time.Now().Add(50*time.Millisecond), func(_ []byte, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		within(t, patience, "the callback", func() {
			if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("Submit on a paused connection: %v, want a deadline's error", err)
			}
		})
		// It is not the peer's fault that these two stay unanswered for longer than MaxAbandonedAge.
		for began := time.Now(); time.Since(began) < 1500*time.Millisecond; {
			r := request(7, body(7, 20_000))
			got, err := small.RoundTrip(t.Context(), r, patience)
			if err != nil {
				t.Fatalf("the connection with small answers: %v", err)
			}
			checkMirrored(t, r, got)
		}
		if s := e.Stats(); s.PausedConns != 1 || second.Err() != nil {
			t.Errorf("%d connections are paused, the second one's error is %v; want 1 and none", s.PausedConns, second.Err())
		}
		for range 4 {
			l.tokens <- struct{}{}
		}
		within(t, 3*patience, "both answers", wg.Wait)
		eventually(t, "the late answers", func() bool { return second.Stats().LateAnswers == 2 })
		nothingHeld(t, e)
	})
}

// TestWhoAsksForLessThanIsLeftGoesOn: a peer that goes silent in the middle of an answer over the budget holds up those only who want as much.
func TestWhoAsksForLessThanIsLeftGoesOn(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxReceivingBytes: 4 << 20}, func(t *testing.T, e *loop.Engine) {
		l, m := newLargeAnswers(8<<20, 4<<20), newLargeAnswers(1<<20, 0)
		b := hostileBroker(t, l.script)
		silent, other := dial(t, e, b.Addr(), loop.Limits{}), dial(t, e, b.Addr(), loop.Limits{})
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = silent.RoundTrip(t.Context(), request(1, nil), 0) })
		eventually(t, "memory for the silent peer's answer", func() bool { return e.Stats().ReceivingBytes >= 8<<20 })
		wg.Go(func() {
			got, err := other.RoundTrip(t.Context(), request(1, nil), 0)
			l.check(t, got, err)
		})
		eventually(t, "a pause", func() bool { return e.Stats().PausedConns == 1 })
		middle := dial(t, e, hostileBroker(t, m.script).Addr(), loop.Limits{})
		for range 20 {
			m.tokens <- struct{}{}
			got, err := middle.RoundTrip(t.Context(), request(1, nil), patience)
			m.check(t, got, err)
		}
		_ = silent.Close()
		l.tokens <- struct{}{}
		l.tokens <- struct{}{} // the silent one's script may take the first
		within(t, patience, "the other answer", wg.Wait)
		nothingHeld(t, e)
	})
}

// pausedConn gives a connection that waits for memory, beside one that has it.
func pausedConn(t *testing.T, e *loop.Engine, l *largeAnswers, script hostile.Script, wg *sync.WaitGroup) (holder, paused *loop.Conn) {
	t.Helper()
	holder = dial(t, e, hostileBroker(t, l.script).Addr(), loop.Limits{})
	wg.Go(func() { _, _ = holder.RoundTrip(t.Context(), request(1, nil), 0) })
	eventually(t, "memory for the first answer", func() bool { return e.Stats().ReceivingBytes >= int64(len(l.payload)) })
	paused = dial(t, e, hostileBroker(t, script).Addr(), loop.Limits{})
	wg.Go(func() { _, _ = paused.RoundTrip(t.Context(), request(1, nil), 0) })
	eventually(t, "a pause", func() bool { return e.Stats().PausedConns == 1 })
	return holder, paused
}

func TestAPausedConnectionCanBeClosedAndItsEngineStopped(t *testing.T) {
	for _, how := range []string{"Close", "Close in a callback", "Stop"} {
		eachDriverWith(t, loop.Config{MaxReceivingBytes: 1 << 20}, func(t *testing.T, e *loop.Engine) {
			l := newLargeAnswers(4<<20, 2<<20)
			var wg sync.WaitGroup
			holder, paused := pausedConn(t, e, l, l.script, &wg)
			switch how {
			case "Close":
				within(t, patience, "Close", func() { _ = paused.Close() })
			case "Stop":
				within(t, patience, "Stop", func() { _ = e.Stop() })
			default:
				wg.Add(2)
				for _, timeout := range []time.Duration{20 * time.Millisecond, patience} {
					if err := paused.Submit(request(2, nil), time.Now().Add(timeout), func([]byte, error) {
						_ = paused.Close() // only begins the end: the callback would wait for itself
						wg.Done()
					}); err != nil {
						t.Fatal(err)
					}
				}
				within(t, patience, "the connection's end", func() { <-paused.Done() })
			}
			_ = holder.Close()
			within(t, patience, "the requests", wg.Wait)
			nothingHeld(t, e)
		})
	}
}

// TestAPausedConnectionWhosePeerIsGoneIsNoticed when it goes on at the latest.
func TestAPausedConnectionWhosePeerIsGoneIsNoticed(t *testing.T) {
	for _, reset := range []bool{false, true} {
		eachDriverWith(t, loop.Config{MaxReceivingBytes: 1 << 20}, func(t *testing.T, e *loop.Engine) {
			l := newLargeAnswers(4<<20, 2<<20)
			var wg sync.WaitGroup
			leave, gone := make(chan struct{}), make(chan struct{})
			holder, paused := pausedConn(t, e, l, func(p *hostile.Peer) {
				id, err := readFrame(p)
				if err != nil {
					return
				}
				_, _ = p.Write(append(append([]byte{0, 0x40, 0, 0}, id...), make([]byte, 200_000)...))
				select {
				case <-leave:
				case <-p.Done():
				}
				if reset {
					_ = p.SetLinger(0)
				}
				_ = p.Close()
				close(gone)
			}, &wg)
			close(leave)
			<-gone
			l.tokens <- struct{}{}
			within(t, patience, "the end of the paused connection", func() { <-paused.Done() })
			if err := paused.Err(); !reset && !errors.Is(err, io.ErrUnexpectedEOF) || reset && !errors.Is(err, syscallECONNRESET) {
				t.Errorf("reset %v: the connection ended with %v", reset, err)
			}
			_ = holder.Close()
			within(t, patience, "the requests", wg.Wait)
			nothingHeld(t, e)
		})
	}
}

// TestLargeAnswersOverTLSKeepWithinTheBudget: what a read has brought is decrypted and kept, also where the budget has no more.
func TestLargeAnswersOverTLSKeepWithinTheBudget(t *testing.T) {
	const conns, answer, budget = 10, 2 << 20, 1 << 20
	a := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{a.certificate(t, time.Now().Add(time.Hour))}}
	eachDriverWith(t, loop.Config{MaxReceivingBytes: budget}, func(t *testing.T, e *loop.Engine) {
		l := newLargeAnswers(answer, 0)
		b := hostileBroker(t, func(p *hostile.Peer) { l.serve(tls.Server(p, server), p.Done()) })
		var wg sync.WaitGroup
		for i := range conns {
			c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{TLS: &tls.Config{RootCAs: a.pool}})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() {
				for range 2 {
					got, err := c.RoundTrip(t.Context(), request(int32(i), nil), 0)
					l.check(t, got, err)
				}
			})
		}
		for range 2 * conns {
			l.tokens <- struct{}{}
		}
		within(t, 6*patience, "answers", wg.Wait)
		nothingHeld(t, e)
		if peak, bound := loop.ReceivingPeak(e), int64(budget+answer*5/4+conns*loop.UnaskedBytes); peak > bound {
			t.Errorf("%d bytes were held, over the bound of %d", peak, bound)
		}
		if s := e.Stats(); s.Pauses == 0 {
			t.Errorf("Stats = %+v, want pauses", s)
		}
	})
}

// TestPausesMeetEndsOfAllKinds: connections that pause and go on all the time are closed, reset, given up and stopped.
func TestPausesMeetEndsOfAllKinds(t *testing.T) {
	for _, stop := range []bool{false, true} {
		eachDriverWith(t, loop.Config{MaxReceivingBytes: 200_000}, func(t *testing.T, e *loop.Engine) {
			l := newLargeAnswers(300_000, 0)
			size := binary.BigEndian.AppendUint32(nil, 300_004)
			answers := hostile.Func(func(nc net.Conn) {
				for {
					id, err := readFrame(nc)
					if err != nil {
						return
					}
					if rand.IntN(10) == 0 {
						_ = nc.(*hostile.Peer).SetLinger(0)
						_, _ = nc.Write(slices.Concat(size, id, l.payload[:100_000+rand.IntN(200_000)]))
						_ = nc.Close()
						return
					}
					if _, err := nc.Write(slices.Concat(size, id, l.payload)); err != nil {
						return
					}
				}
			})
			b := hostileBroker(t, answers)
			var wg sync.WaitGroup
			var answered atomic.Int64
			end := time.Now().Add(2 * time.Second)
			if stop {
				end = end.Add(patience)
			}
			for range 8 {
				wg.Go(func() {
					for time.Now().Before(end) {
						c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{})
						if err != nil {
							return
						}
						var calls sync.WaitGroup
						for range 3 {
							calls.Add(1)
							if c.Submit(request(1, nil), time.Now().Add(time.Duration(rand.IntN(200))*time.Millisecond), func(_ []byte, err error) {
								if err != nil && rand.IntN(2) == 0 {
									_ = c.Close()
								}
								calls.Done()
							}) != nil {
								calls.Done()
							}
							calls.Go(func() {
								got, err := c.RoundTrip(t.Context(), request(1, nil), time.Duration(rand.IntN(4000))*time.Millisecond)
								if err == nil {
									l.check(t, got, nil)
									answered.Add(1)
								}
							})
						}
						if rand.IntN(2) == 0 {
							time.AfterFunc(time.Duration(rand.IntN(20))*time.Millisecond, func() { _ = c.Close() })
						}
						calls.Wait()
						_ = c.Close()
					}
				})
			}
			if stop {
				eventually(t, "pauses", func() bool { return e.Stats().Pauses > 10 && answered.Load() > 0 })
				within(t, patience, "Stop", func() { _ = e.Stop() })
			}
			within(t, 6*patience, "callers", wg.Wait)
			nothingHeld(t, e)
			if s := e.Stats(); s.Pauses == 0 || answered.Load() == 0 {
				t.Errorf("%d pauses, %d answers; want some of both", s.Pauses, answered.Load())
			}
		})
	}
}
