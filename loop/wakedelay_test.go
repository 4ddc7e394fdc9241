package loop_test

import (
	"context"
	"encoding/binary"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
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

// TestAnImpatientConnectionForbidsRests: while something is in flight on it, whatever others of the loop allow.
func TestAnImpatientConnectionForbidsRests(t *testing.T) {
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
