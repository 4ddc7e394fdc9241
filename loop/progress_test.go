package loop_test

import (
	"crypto/tls"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

func TestAWriteWithoutProgressEndsItsConnection(t *testing.T) {
	a := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{a.certificate(t, time.Now().Add(time.Hour))}}
	for _, secure := range []bool{false, true} {
		eachDriver(t, func(t *testing.T, e *loop.Engine) {
			cfg := loop.DialConfig{Limits: loop.Limits{MaxStall: 200 * time.Millisecond, MaxInFlight: 2}}
			script := hostile.Script(hostile.Silence)
			if secure {
				cfg.TLS = &tls.Config{RootCAs: a.pool}
				script = func(p *hostile.Peer) {
					if tls.Server(p, server).Handshake() == nil {
						hostile.Silence(p)
					}
				}
			}
			c, err := e.Dial(t.Context(), hostileBroker(t, script).Addr(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			testStalled(t, c)
			nothingHeld(t, e)
		})
	}
}

// testStalled sends more than the peer takes, without a deadline, and checks how it ends.
func testStalled(t *testing.T, c *loop.Conn) {
	t.Helper()
	var wg sync.WaitGroup
	for i, n := range []int{32 << 20, 100, 100} {
		safe := i > 0 // nothing of it has left
		wg.Go(func() {
			_, err := c.RoundTrip(t.Context(), request(1, make([]byte, n)), 0)
			var op *loop.OpError
			if !errors.Is(err, loop.ErrStalled) || !errors.As(err, &op) || op.SafeToRetry() != safe || op.Timeout() {
				t.Errorf("request %d: %v, want ErrStalled, safe to retry: %v", i, err, safe)
			}
		})
		eventually(t, "a stall, and the others behind it", func() bool {
			s := c.Stats()
			return s.Stalls > 0 && s.Requests == uint64(i+1) || c.Err() != nil
		})
	}
	within(t, patience, "the requests", wg.Wait)
	if err := c.Err(); !errors.Is(err, loop.ErrStalled) {
		t.Errorf("Err = %v, want ErrStalled", err)
	}
	within(t, patience, "Close", func() { _ = c.Close() })
}

// TestASlowPeerIsNotStalled: each piece that it takes begins the time anew.
func TestASlowPeerIsNotStalled(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		const maxStall, total = 500 * time.Millisecond, 24 << 20
		c := dial(t, e, hostileBroker(t, func(p *hostile.Peer) {
			r := io.LimitReader(p, total+12)
			for range 15 { // slowly, for longer than the time without progress may last
				if _, err := io.CopyN(io.Discard, r, 1<<20); err != nil {
					return
				}
				<-time.After(maxStall / 8)
			}
			_, _ = io.Copy(io.Discard, r)
			_ = p.Answer(0, nil)
		}).Addr(), loop.Limits{MaxStall: maxStall})
		began := time.Now()
		if _, err := c.RoundTrip(t.Context(), request(1, make([]byte, total)), 0); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < maxStall {
			t.Errorf("the call took %v only", took)
		}
	})
}

// TestAPauseExcusesAStall: a peer whose answer is not read, for want of memory, cannot be expected to read.
func TestAPauseExcusesAStall(t *testing.T) {
	eachDriverWith(t, loop.Config{MaxReceivingBytes: 1 << 20}, func(t *testing.T, e *loop.Engine) {
		l := newLargeAnswers(4<<20, 2<<20)
		var wg sync.WaitGroup
		holder := dial(t, e, hostileBroker(t, l.script).Addr(), loop.Limits{})
		wg.Go(func() {
			got, err := holder.RoundTrip(t.Context(), request(1, nil), 0)
			l.check(t, got, err)
		})
		eventually(t, "memory for the first answer", func() bool { return e.Stats().ReceivingBytes >= 4<<20 })
		m := newLargeAnswers(16<<20, 0)
		m.tokens <- struct{}{}
		m.tokens <- struct{}{}
		c := dial(t, e, hostileBroker(t, m.script).Addr(), loop.Limits{MaxStall: time.Second})
		wg.Go(func() {
			got, err := c.RoundTrip(t.Context(), request(1, nil), 0)
			m.check(t, got, err)
		})
		eventually(t, "a pause", func() bool { return e.Stats().PausedConns == 1 })
		wg.Go(func() {
			got, err := c.RoundTrip(t.Context(), request(1, make([]byte, 16<<20)), 0)
			m.check(t, got, err)
		})
		eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
		<-time.After(1500 * time.Millisecond)
		if err := c.Err(); err != nil {
			t.Errorf("a paused connection has ended with %v", err)
		}
		l.tokens <- struct{}{}
		within(t, 3*patience, "all answers", wg.Wait)
		nothingHeld(t, e)
	})
}
