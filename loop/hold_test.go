package loop_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

func TestHoldKeepsRequestsWaitingAndLosesNone(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		g := newGate()
		c := dial(t, e, hostileBroker(t, g.script).Addr(), loop.Limits{RefuseWhenFull: true, MaxPendingBytes: 1000})
		var wg sync.WaitGroup
		wg.Go(func() { // in flight when the hold begins
			if _, err := c.RoundTrip(t.Context(), request(1, nil), patience); err != nil {
				t.Error(err)
			}
		})
		<-g.requests
		c.Hold()
		c.Hold()
		var all ends
		for i := range 3 {
			n := name("submitted ", i)
			all.expect(n)
			r := request(int32(100+i), body(i, 100))
			want := string(r)
			if err := c.Submit(r, time.Now().Add(patience), func(response []byte, err error) {
				if err != nil {
					t.Error(err)
				} else {
					checkMirrored(t, []byte(want), response)
				}
				all.end(n)
			}); err != nil {
				t.Fatal(err)
			}
			clear(r) // borrowed until return only
		}
		if err := c.Submit(request(5, body(5, 1000)), time.Now().Add(patience), func([]byte, error) { t.Error("called") }); !errors.Is(err, loop.ErrQueueFull) {
			t.Errorf("beyond MaxPendingBytes: %v, want ErrQueueFull", err)
		}
		wg.Go(func() {
			r := request(7, []byte("held"))
			got, err := c.RoundTrip(t.Context(), r, patience)
			if err != nil {
				t.Error(err)
				return
			}
			checkMirrored(t, r, got)
		})
		eventually(t, "four in line", func() bool { return c.Stats().Waiting == 4 })
		if _, err := c.RoundTrip(t.Context(), request(8, nil), 20*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("held beyond its deadline: %v", err)
		}
		g.open <- struct{}{}
		g.open <- struct{}{}
		r := request(9, []byte("ahead"))
		got, err := c.Ahead(t.Context(), r, patience)
		if err != nil {
			t.Fatal(err)
		}
		checkMirrored(t, r, got)
		c.Unhold()
		if n := c.Stats().Waiting; n != 4 {
			t.Errorf("after one Unhold of two, %d wait, want 4", n)
		}
		for range 4 {
			g.open <- struct{}{}
		}
		c.Unhold()
		within(t, patience, "callers", wg.Wait)
		all.check(t)
	})
}

func TestShutdownAndCloseEndWhatIsHeld(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for _, drain := range []bool{true, false} {
			c := dial(t, e, hostileBroker(t, hostile.Answer(mirror)).Addr(), loop.Limits{})
			c.Hold()
			var all ends
			all.expect("submitted")
			if err := c.Submit(request(1, nil), time.Now().Add(patience), func(_ []byte, err error) {
				var op *loop.OpError
				if !errors.As(err, &op) || !op.SafeToRetry() {
					t.Errorf("%v, want an error that is safe to retry", err)
				}
				all.end("submitted")
			}); err != nil {
				t.Fatal(err)
			}
			ended := make(chan error, 1)
			go func() {
				_, err := c.RoundTrip(t.Context(), request(2, nil), patience)
				ended <- err
			}()
			eventually(t, "two in line", func() bool { return c.Stats().Waiting == 2 })
			if drain {
				if err := c.Shutdown(context.Background()); err != nil {
					t.Error(err)
				}
			} else {
				_ = c.Close()
			}
			var op *loop.OpError
			if err := <-ended; !errors.As(err, &op) || !op.SafeToRetry() {
				t.Errorf("%v, want an error that is safe to retry", err)
			}
			all.check(t)
			c.Unhold()
		}
	})
}
