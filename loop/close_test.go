package loop_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

func TestEveryEndOfTheConnectionEndsItsRequestsWithTheCause(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for _, tt := range []struct {
			name   string
			script hostile.Script
			is     error
		}{
			{"FIN", hostile.HalfClose(2), io.EOF},
			{"reset", hostile.Reset(2), syscallECONNRESET},
			{"cut in the middle of an answer", hostile.Seq(hostile.Swallow(1), hostile.CutFrame(3, mirror)), io.ErrUnexpectedEOF},
			{"wrong correlation id", hostile.Seq(hostile.Swallow(1), hostile.WrongCorrelation(mirror)), nil},
			{"answers in the wrong order", hostile.Reorder(mirror), nil},
			{"oversize", hostile.Seq(hostile.Swallow(1), hostile.Oversize(1<<30)), nil},
			{"negative size", hostile.Seq(hostile.Swallow(1), hostile.NegativeSize), nil},
			{"HTTP", hostile.Seq(hostile.Swallow(2), hostile.Banner([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))), nil},
			{"a short answer", hostile.Seq(hostile.Swallow(2), hostile.Banner([]byte{0, 0, 0, 3, 1, 2, 3})), loop.ErrShortFrame},
			{"an empty answer", hostile.Seq(hostile.Swallow(2), hostile.Banner([]byte{0, 0, 0, 0})), loop.ErrShortFrame},
		} {
			t.Run(tt.name, func(t *testing.T) {
				c := dial(t, e, hostileBroker(t, tt.script).Addr(), loop.Limits{})
				var ends ends
				ends.expect("submitted")
				err := c.Submit(request(1, body(1, 100)), time.Now().Add(patience), func(_ []byte, err error) {
					if err == nil && tt.name != "cut in the middle of an answer" && tt.name != "wrong correlation id" {
						t.Error("Submit: answered")
					}
					ends.end("submitted")
				})
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.RoundTrip(t.Context(), request(2, body(2, 100)), patience)
				var op *loop.OpError
				if err == nil || !errors.As(err, &op) || op.SafeToRetry() || op.Timeout() {
					t.Errorf("RoundTrip: %v, want an error that is neither a timeout nor safe to retry", err)
				}
				if tt.is != nil && !errors.Is(err, tt.is) {
					t.Errorf("RoundTrip: %v, want %v", err, tt.is)
				}
				ends.check(t)
				within(t, patience, "the connection", func() { <-c.Done() })
				_, err = c.RoundTrip(t.Context(), request(3, nil), patience)
				if !errors.As(err, &op) || !op.SafeToRetry() {
					t.Errorf("RoundTrip afterwards: %v, want an error that is safe to retry", err)
				}
			})
		}
	})
}

func TestMoreThanWasAskedForClosesTheConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for name, script := range map[string]hostile.Script{
			"an answer twice":    hostile.RepeatCorrelation(mirror),
			"an answer unasked":  hostile.Unsolicited([]byte("hello")),
			"a banner of SSH":    hostile.Banner([]byte("SSH-2.0-OpenSSH_9.2\r\n")),
			"bytes without end":  hostile.Flood,
			"nothing but an end": hostile.CloseOnAccept,
		} {
			t.Run(name, func(t *testing.T) {
				c := dial(t, e, hostileBroker(t, script).Addr(), loop.Limits{})
				_, _ = c.RoundTrip(t.Context(), request(1, nil), patience)
				within(t, patience, "the connection", func() { <-c.Done() })
				if c.Err() == nil {
					t.Error("Err is nil")
				}
			})
		}
	})
}

func TestAnAnswerMayDripInByteByByte(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.Drip(0, mirror)).Addr(), loop.Limits{})
		for i := range 3 {
			r := request(int32(i), body(i, 300))
			got, err := c.RoundTrip(t.Context(), r, patience)
			if err != nil {
				t.Fatal(err)
			}
			checkMirrored(t, r, got)
		}
	})
}

func TestCloseCutsAndIsIdempotent(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Stall)
		c := dial(t, e, b.Addr(), loop.Limits{})
		ended := make(chan error, 1)
		go func() {
			_, err := c.RoundTrip(t.Context(), request(1, nil), 0)
			ended <- err
		}()
		eventually(t, "a request in flight", func() bool { return c.Stats().InFlight == 1 })
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() { _ = c.Close() })
		}
		within(t, patience, "Close", wg.Wait)
		if err := <-ended; !errors.Is(err, loop.ErrClosed) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("RoundTrip: %v, want ErrClosed", err)
		}
		if s := c.Stats(); s.State != "closed" || s.Failed != 1 {
			t.Errorf("Stats = %+v, want closed with 1 failed", s)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := c.TCPInfo(); !errors.Is(err, loop.ErrClosed) {
			t.Errorf("TCPInfo after Close: %v", err)
		}
	})
}

func TestShutdownAnswersWhatIsInFlight(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		g := newGate()
		c := dial(t, e, hostileBroker(t, g.script).Addr(), loop.Limits{MaxInFlight: 5})
		var wg sync.WaitGroup
		for i := range 5 {
			wg.Go(func() {
				if _, err := c.RoundTrip(t.Context(), request(int32(i), nil), patience); err != nil {
					t.Errorf("in flight when Shutdown began: %v", err)
				}
			})
		}
		eventually(t, "requests in flight", func() bool { return c.Stats().InFlight == 5 })
		wg.Go(func() {
			var op *loop.OpError
			if _, err := c.RoundTrip(t.Context(), request(9, nil), patience); !errors.Is(err, loop.ErrDraining) || !errors.As(err, &op) || !op.SafeToRetry() {
				t.Errorf("waiting for room when Shutdown began: %v, want ErrDraining, safe to retry", err)
			}
		})
		eventually(t, "a caller in line", func() bool { return c.Stats().Waiting == 1 })
		down := make(chan error, 1)
		go func() { down <- c.Shutdown(t.Context()) }()
		eventually(t, "draining", func() bool { return c.Stats().State == "draining" })
		if _, err := c.RoundTrip(t.Context(), request(10, nil), patience); !errors.Is(err, loop.ErrDraining) || !errors.Is(err, net.ErrClosed) {
			t.Errorf("new during Shutdown: %v, want ErrDraining", err)
		}
		for range 5 {
			g.open <- struct{}{}
		}
		if err := <-down; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		within(t, patience, "callers", wg.Wait)
		if s := c.Stats(); s.State != "closed" || s.Answered != 5 {
			t.Errorf("Stats = %+v", s)
		}
	})
}

func TestShutdownGivesUpWithItsContext(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.Stall).Addr(), loop.Limits{})
		ended := make(chan error, 1)
		go func() {
			_, err := c.RoundTrip(t.Context(), request(1, nil), 0)
			ended <- err
		}()
		eventually(t, "a request in flight", func() bool { return c.Stats().InFlight == 1 })
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		defer cancel()
		if err := c.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want the context's error", err)
		}
		if err := <-ended; !errors.Is(err, loop.ErrClosed) {
			t.Errorf("RoundTrip: %v, want ErrClosed", err)
		}
	})
}

func TestAPanicInACallbackClosesItsConnectionOnly(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		bad, good := dial(t, e, b.Addr(), loop.Limits{}), dial(t, e, b.Addr(), loop.Limits{})
		bad2 := dial(t, e, b.Addr(), loop.Limits{})
		var ends ends
		for i := range 3 {
			n := name(i)
			ends.expect(n)
			if err := bad.Submit(request(int32(i), nil), time.Now().Add(patience), func([]byte, error) {
				ends.end(n)
				if n == "1" {
					panic("user's mistake")
				}
			}); err != nil {
				if i < 2 {
					t.Fatal(err)
				}
				ends.end(n) // the panic was faster
			}
		}
		ends.check(t)
		within(t, patience, "the connection", func() { <-bad.Done() })
		var p *loop.PanicError
		if err := bad.Err(); !errors.As(err, &p) || p.Value != "user's mistake" || len(p.Stack) == 0 {
			t.Errorf("Err = %v, want a PanicError with its stack", err)
		}
		// A panic in the callback of an end, too.
		ends.expect("at the end")
		_ = bad2.Submit(request(1, nil), time.Now().Add(patience), func([]byte, error) { ends.end("at the end"); panic(io.ErrNoProgress) })
		ends.check(t)
		_ = bad2.Close()
		for _, c := range []*loop.Conn{good} {
			if _, err := c.RoundTrip(t.Context(), request(1, nil), patience); err != nil {
				t.Errorf("another connection: %v", err)
			}
		}
	})
}

func TestCloseAndStopInACallbackDoNotDeadlock(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		c := dial(t, e, b.Addr(), loop.Limits{})
		stop, shutdown, redial := make(chan error, 1), make(chan error, 1), make(chan error, 1)
		if err := c.Submit(request(1, nil), time.Time{}, func([]byte, error) {
			stop <- e.Stop()
			shutdown <- c.Shutdown(context.Background())
			_, err := e.Dial(context.Background(), b.Addr(), loop.DialConfig{})
			redial <- err
			_ = c.Close()
		}); err != nil {
			t.Fatal(err)
		}
		within(t, patience, "the callback", func() {
			for _, ch := range []chan error{stop, shutdown, redial} {
				if err := <-ch; !errors.Is(err, loop.ErrOnLoop) {
					t.Errorf("in a callback: %v, want ErrOnLoop", err)
				}
			}
			<-c.Done()
		})
	})
}
