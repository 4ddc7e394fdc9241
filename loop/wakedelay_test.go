package loop_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/internal/leak"
	"kafkaio/loop"
)

// answerInTurn takes 100 µs for each request, one after the other.
func answerInTurn(p *hostile.Peer) {
	for {
		r, err := p.ReadRequest()
		if err != nil {
			return
		}
		for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
		}
		if p.Answer(int32(binary.BigEndian.Uint32(r[4:])), nil) != nil {
			return
		}
	}
}

// askByMany has 64 callers ask until enough says so.
func askByMany(t *testing.T, c *loop.Conn, enough func() bool) {
	t.Helper()
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for !enough() {
				if _, err := c.RoundTrip(context.Background(), request(1, nil), patience); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestAnswersWaitForEachOtherOnlyWhereTheyMay(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, answerInTurn)
		for _, delay := range []time.Duration{-1, 0, 2 * time.Millisecond} {
			c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{WakeDelay: delay})
			if err != nil {
				t.Fatal(err)
			}
			before := loop.Rests(e)
			rested := func() bool { return loop.Rests(e) > before+10 }
			expect := delay > 0 && e.Driver() == loop.DriverEpoll
			limit := 200 * time.Millisecond
			if expect {
				limit = patience
			}
			began := time.Now()
			askByMany(t, c, func() bool { return rested() || time.Since(began) > limit })
			if rested() != expect || !expect && loop.Rests(e) != before {
				t.Errorf("WakeDelay %v: %d rests", delay, loop.Rests(e)-before)
			}
		}
	})
}

// TestAnswersForCallbacksWaitToo: Submit reads the clock only now and then, and that is enough to know how long round trips take.
func TestAnswersForCallbacksWaitToo(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		if e.Driver() != loop.DriverEpoll {
			t.Skip("never rests")
		}
		c, err := e.Dial(t.Context(), hostileBroker(t, answerInTurn).Addr(), loop.DialConfig{WakeDelay: 2 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		var wg sync.WaitGroup
		var again func([]byte, error)
		again = func(_ []byte, err error) {
			if err != nil || loop.Rests(e) > 10 || time.Since(began) > patience || c.Submit(request(1, nil), time.Time{}, again) != nil {
				wg.Done()
			}
		}
		for range 64 {
			wg.Add(1)
			if err := c.Submit(request(1, nil), time.Time{}, again); err != nil {
				t.Fatal(err)
			}
		}
		wg.Wait()
		if n := loop.Rests(e); n <= 10 {
			t.Errorf("%d rests within %v", n, patience)
		}
	})
}

// TestAnImpatientConnectionForbidsRests: while something is in flight on it, whatever others of the loop allow.
func TestAnImpatientConnectionForbidsRests(t *testing.T) {
	leak.Check(t, leak.Gauge("pooled entries and buffers, bytes in budgets", loop.Outstanding))
	e, err := loop.Start(loop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Stop() }()
	silent := hostileBroker(t, hostile.Stall)
	waiting, err := e.Dial(t.Context(), silent.Addr(), loop.DialConfig{})
	if err != nil {
		t.Fatal(err)
	}
	if err := waiting.Submit(request(1, nil), time.Time{}, func([]byte, error) {}); err != nil {
		t.Fatal(err)
	}
	c, err := e.Dial(t.Context(), hostileBroker(t, answerInTurn).Addr(), loop.DialConfig{WakeDelay: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	askByMany(t, c, func() bool { return time.Since(began) > 200*time.Millisecond })
	if n := loop.Rests(e); n != 0 {
		t.Errorf("%d rests while an answer is due that must not wait", n)
	}
}

// oneWayKey is the key of requests that answerBySize does not answer.
const oneWayKey = 7

// answerBySize takes 100 µs for each request, as answerInTurn does, and answers with a body of the size that its first four bytes ask for.
func answerBySize(c io.ReadWriter) {
	var size [4]byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		r := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, r); err != nil {
			return
		}
		if r[1] == oneWayKey {
			continue
		}
		for began := time.Now(); time.Since(began) < 100*time.Microsecond; {
		}
		n := binary.BigEndian.Uint32(r[8:])
		answer := append(binary.BigEndian.AppendUint32(nil, 4+n), r[4:8]...)
		if _, err := c.Write(append(answer, make([]byte, n)...)); err != nil {
			return
		}
	}
}

// TestEveryRequestEndsAroundRests: whatever comes at whatever instant of a rest. With patience for each, a lost wake-up is a request that waits for its deadline.
func TestEveryRequestEndsAroundRests(t *testing.T) {
	t.Run("plaintext", func(t *testing.T) {
		requestsAroundRests(t, hostile.Func(func(nc net.Conn) { answerBySize(nc) }), nil)
	})
	t.Run("TLS", func(t *testing.T) {
		a := newAuthority(t)
		server := &tls.Config{Certificates: []tls.Certificate{a.certificate(t, time.Now().Add(time.Hour))}}
		script := hostile.Func(func(nc net.Conn) {
			tc := tls.Server(nc, server)
			answerBySize(tc)
			_ = tc.Close()
		})
		requestsAroundRests(t, script, &tls.Config{RootCAs: a.pool})
	})
}

func requestsAroundRests(t *testing.T, script hostile.Script, security *tls.Config) {
	t.Helper()
	leak.Check(t, leak.Gauge("pooled entries and buffers, bytes in budgets", loop.Outstanding))
	e, err := loop.Start(loop.Config{Loops: 1, MaxSendingBytes: 4 << 10, MaxReceivingBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	b := hostileBroker(t, script)
	conns := make([]atomic.Pointer[loop.Conn], 4)
	redial := func(i int) {
		cfg := loop.DialConfig{TLS: security, WakeDelay: time.Duration(i) * time.Millisecond} // the first allows no rest
		cfg.Limits.MaxInFlight = 16
		c, err := e.Dial(t.Context(), b.Addr(), cfg)
		if err != nil {
			t.Error(err)
			return
		}
		if old := conns[i].Swap(c); old != nil {
			_ = old.Close()
		}
	}
	for i := range conns {
		redial(i)
	}
	began := time.Now()
	rests := e.Driver() == loop.DriverEpoll
	over := func() bool {
		took := time.Since(began)
		return took > time.Second && (!rests || loop.Rests(e) > 0) || took > patience
	}
	ask := func(r *rand.Rand) []byte {
		size := uint32(r.IntN(64))
		if r.IntN(1000) == 0 {
			size = 200 << 10
		}
		q := request(1, binary.BigEndian.AppendUint32(nil, size))
		return append(q, make([]byte, r.IntN(200))...)
	}
	var answered, late, failed atomic.Int64
	count := func(err error) {
		switch {
		case err == nil:
			answered.Add(1)
		case errors.Is(err, loop.ErrTimeout):
			late.Add(1)
		default:
			failed.Add(1)
		}
	}
	var wg, submitted sync.WaitGroup
	for i := range conns {
		for j := range 12 {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(uint64(i), uint64(j)))
				for !over() {
					if i == 0 { // now and then only, or nobody rests
						<-time.After(time.Duration(r.IntN(100)) * time.Millisecond)
					}
					c := conns[i].Load()
					switch r.IntN(8) {
					default:
						_, err := c.RoundTrip(context.Background(), ask(r), patience)
						if errors.Is(err, loop.ErrTimeout) {
							t.Errorf("no answer within %v", patience)
						}
						count(err)
					case 0:
						ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.IntN(3000))*time.Microsecond)
						_, err := c.RoundTrip(ctx, ask(r), 0)
						count(err)
						cancel()
					case 1:
						q := ask(r)
						q[1] = oneWayKey
						if err := c.SendOneWay(context.Background(), q, patience); errors.Is(err, loop.ErrTimeout) {
							t.Errorf("not written within %v", patience)
						}
					case 2:
						submitted.Add(1)
						next := conns[r.IntN(len(conns))].Load()
						q := ask(r)
						if c.Submit(ask(r), time.Now().Add(time.Duration(r.IntN(20))*time.Millisecond), func(_ []byte, err error) {
							count(err)
							submitted.Add(1)
							if next.Submit(q, time.Time{}, func([]byte, error) { submitted.Done() }) != nil {
								submitted.Done()
							}
							submitted.Done()
						}) != nil {
							submitted.Done()
						}
					}
				}
			})
		}
		wg.Go(func() {
			r := rand.New(rand.NewPCG(uint64(i), 99))
			for !over() {
				<-time.After(time.Duration(r.IntN(60)) * time.Millisecond)
				if i < len(conns)-1 && r.IntN(2) == 0 { // the last stays, so that nothing hangs unseen
					redial(i)
					continue
				}
				c := conns[i].Load()
				c.Hold()
				<-time.After(time.Millisecond)
				c.Unhold()
			}
		})
	}
	within(t, 2*patience, "all callers", wg.Wait)
	within(t, patience, "all callbacks", submitted.Wait)
	if answered.Load() == 0 || late.Load() == 0 || failed.Load() == 0 || rests && loop.Rests(e) == 0 {
		t.Errorf("%d answered, %d late, %d failed otherwise, %d rests: want some of each", answered.Load(), late.Load(), failed.Load(), loop.Rests(e))
	}
	within(t, patience, "Stop", func() { _ = e.Stop() })
	if weights, patient := loop.Counted(e); weights != 0 || patient != 0 { // one left over would forbid or bound all rests to come
		t.Errorf("with all connections closed, weights of %#x and %d that allow a rest are counted", weights, patient)
	}
}
