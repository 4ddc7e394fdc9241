package loop_test

import (
	"encoding/binary"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// answerIn answers each request after the delay that its body asks for, to the microsecond: it spins.
func answerIn(p *hostile.Peer) {
	for {
		r, err := p.ReadRequest()
		if err != nil {
			return
		}
		began := time.Now()
		for d := time.Duration(binary.BigEndian.Uint64(r[8:])); time.Since(began) < d; {
			if d > time.Millisecond {
				<-time.After(d)
			}
		}
		if p.Answer(int32(binary.BigEndian.Uint32(r[4:])), nil) != nil {
			return
		}
	}
}

// TestAutomaticPollingWastesLittle measures the loop's own account on real sockets, with answers after 20 µs, 200 µs, 5 ms, and by turns.
// That it pays is a matter of the machine, and shown by make bench; that it cannot waste more than 2 % must hold on any.
func TestAutomaticPollingWastesLittle(t *testing.T) {
	delays := []time.Duration{20 * time.Microsecond, 200 * time.Microsecond, 5 * time.Millisecond}
	for name, delay := range map[string]func(int) time.Duration{
		"20 µs":    func(int) time.Duration { return delays[0] },
		"200 µs":   func(int) time.Duration { return delays[1] },
		"5 ms":     func(int) time.Duration { return delays[2] },
		"by turns": func(i int) time.Duration { return delays[i%3] },
	} {
		t.Run(name, func(t *testing.T) {
			eachDriver(t, func(t *testing.T, e *loop.Engine) {
				c := dial(t, e, hostileBroker(t, answerIn).Addr(), loop.Limits{})
				began := time.Now()
				for i := 0; time.Since(began) < 400*time.Millisecond; i++ {
					r := request(1, binary.BigEndian.AppendUint64(nil, uint64(delay(i))))
					if _, err := c.RoundTrip(t.Context(), r, patience); err != nil {
						t.Fatal(err)
					}
				}
				took := time.Since(began)
				s := e.Stats()
				// What may be saved up comes on top of the share.
				if limit := took/50 + 2*time.Millisecond; s.PollMiss > limit {
					t.Errorf("%v of %v went into polls without an event, want %v at most", s.PollMiss, took, limit)
				}
				t.Logf("%v: polled %v with and %v without an event", took, s.PollHit, s.PollMiss)
			})
		})
	}
}

func TestIdleConnectionsCauseNoPolling(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		for range 20 {
			c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{BusyPoll: time.Second})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.RoundTrip(t.Context(), request(1, nil), patience); err != nil {
				t.Fatal(err)
			}
		}
		var before loop.EngineStats
		eventually(t, "the loops to come to rest", func() bool {
			last := before
			before = e.Stats()
			<-time.After(10 * time.Millisecond)
			return e.Stats() == before && last == before
		})
		<-time.After(100 * time.Millisecond)
		if after := e.Stats(); after != before {
			t.Errorf("with nothing in flight, polling went from %+v to %+v", before, after)
		}
	})
}

func TestBusyPollIsObeyed(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, answerIn)
		const waits, wait = 4, 3 * time.Millisecond
		// spent gives the time that was polled in some waits.
		spent := func(budget time.Duration) func() time.Duration {
			c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{BusyPoll: budget})
			if err != nil {
				t.Fatal(err)
			}
			return func() time.Duration {
				before := e.Stats()
				for range waits {
					r := request(1, binary.BigEndian.AppendUint64(nil, uint64(wait)))
					if _, err := c.RoundTrip(t.Context(), r, patience); err != nil {
						t.Fatal(err)
					}
				}
				after := e.Stats()
				return after.PollHit + after.PollMiss - before.PollHit - before.PollMiss
			}
		}
		never, always := spent(-1), spent(50*time.Millisecond)
		for range 5 {
			if d := never(); d != 0 {
				t.Errorf("never: polled %v", d)
			}
		}
		if e.Driver() != loop.DriverEpoll {
			if d := always(); d != 0 {
				t.Errorf("a driver that never polls has polled %v", d)
			}
			return
		}
		// Who else wants the cores takes time away from the polls, and never adds to them: the best of some rounds tells.
		best := time.Duration(0)
		for began := time.Now(); best < waits*wait/3 && time.Since(began) < patience; {
			best = max(best, always())
		}
		if best < waits*wait/3 {
			t.Errorf("50 ms: polled %v at best in %d waits of %v, want nearly all of them", best, waits, wait)
		}
	})
}
