package loop_test

import (
	"context"
	"encoding/binary"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// gate answers each request when the test says so.
type gate struct {
	requests chan []byte
	open     chan struct{}
}

func newGate() *gate {
	return &gate{requests: make(chan []byte, 1024), open: make(chan struct{}, 1024)}
}

func (g *gate) script(p *hostile.Peer) {
	line := make(chan []byte, 1024)
	go func() {
		defer close(line)
		for {
			r, err := p.ReadRequest()
			if err != nil {
				return
			}
			line <- r
			g.requests <- r
		}
	}()
	for r := range line {
		select {
		case <-g.open:
		case <-p.Done():
			continue
		}
		if p.Answer(int32(binary.BigEndian.Uint32(r[4:])), r[8:]) != nil {
			continue
		}
	}
}

func TestADeadlineEndsTheCallAndItsLateAnswerIsDropped(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		g := newGate()
		c := dial(t, e, hostileBroker(t, g.script).Addr(), loop.Limits{})
		const enough = 150 * time.Millisecond // to be sent before the deadline
		stalled := stalls()
		began := time.Now()
		_, err := c.RoundTrip(t.Context(), request(1, []byte("late")), enough)
		took, late := time.Since(began), stalled()
		var op *loop.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &op) || !op.Timeout() {
			t.Fatalf("error = %v, want a deadline's", err)
		}
		if op.SafeToRetry() {
			t.Error("SafeToRetry is true, but the request was sent")
		}
		if took < enough || took > enough+450*time.Millisecond+late {
			t.Errorf("the call took %v, want %v and little more, on a machine that may stall for %v", took, enough, late)
		}
		if s := c.Stats(); s.Abandoned != 1 || s.InFlight != 0 || s.Timeouts != 1 {
			t.Errorf("Stats = %+v, want one abandoned by deadline", s)
		}
		// By ctx, and by Submit, too.
		ctx, cancel := context.WithTimeout(t.Context(), enough)
		defer cancel()
		if _, err := c.RoundTrip(ctx, request(2, nil), 0); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error = %v, want a deadline's", err)
		}
		ended := make(chan error, 1)
		if err := c.Submit(request(3, nil), time.Now().Add(enough), func(_ []byte, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error = %v, want a deadline's", err)
		}

		for range 4 {
			g.open <- struct{}{}
		}
		r := request(4, []byte("in time"))
		got, err := c.RoundTrip(t.Context(), r, patience)
		if err != nil {
			t.Fatal(err)
		}
		checkMirrored(t, r, got)
		if s := c.Stats(); s.LateAnswers != 3 || s.Abandoned != 0 {
			t.Errorf("Stats = %+v, want 3 late answers and nothing abandoned", s)
		}
	})
}

func TestCancelFreesTheCallerAtOnce(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		g := newGate()
		c := dial(t, e, hostileBroker(t, g.script).Addr(), loop.Limits{})
		cause := errors.New("the user pressed stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := c.RoundTrip(ctx, request(1, nil), 0)
			ended <- err
		}()
		<-g.requests
		stalled := stalls()
		began := time.Now()
		cancel(cause)
		within(t, patience, "the cancelled call", func() {
			if err := <-ended; !errors.Is(err, context.Canceled) || !errors.Is(err, cause) {
				t.Errorf("error = %v, want context.Canceled and its cause", err)
			}
		})
		if took, late := time.Since(began), stalled(); took > time.Second+late {
			t.Errorf("the cancelled call ended after %v, on a machine that may stall for %v", took, late)
		}
		if _, err := c.RoundTrip(ctx, request(1, nil), 0); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want context.Canceled", err)
		}
		g.open <- struct{}{}
		g.open <- struct{}{}
		if _, err := c.RoundTrip(t.Context(), request(2, nil), patience); err != nil {
			t.Fatal(err)
		}
	})
}

func TestDeadlinesOfManyCallsAreKeptInMilliseconds(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Stall)
		conns := []*loop.Conn{dial(t, e, b.Addr(), loop.Limits{}), dial(t, e, b.Addr(), loop.Limits{})}
		var wg sync.WaitGroup
		var late [100]time.Duration
		stalled := stalls()
		for i := range late {
			wg.Go(func() {
				d := time.Duration(100-i)*3*time.Millisecond + 5*time.Millisecond // later calls end earlier
				began := time.Now()
				_, err := conns[i%2].RoundTrip(t.Context(), request(int32(i), nil), d)
				if late[i] = time.Since(began) - d; !errors.Is(err, os.ErrDeadlineExceeded) || late[i] < 0 {
					t.Errorf("call with %v ended %v after its deadline: %v", d, late[i], err)
				}
			})
		}
		within(t, patience, "calls", wg.Wait)
		if worst, stall := slices.Max(late[:]), stalled(); worst > 250*time.Millisecond+stall {
			t.Errorf("a call ended %v after its deadline, on a machine that may stall for %v", worst, stall)
		}
	})
}

func TestTooManyUnansweredRequestsCloseTheConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Stall)
		c := dial(t, e, b.Addr(), loop.Limits{MaxAbandoned: 3})
		var op *loop.OpError
		for sent := 0; sent < 4; {
			_, err := c.RoundTrip(t.Context(), request(int32(sent), nil), 5*time.Millisecond)
			if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) {
				t.Fatalf("call %d: %v", sent, err)
			}
			if !op.SafeToRetry() { // on a busy machine the deadline may pass before it is sent
				sent++
			}
		}
		within(t, patience, "the connection", func() { <-c.Done() })
		_, err := c.RoundTrip(t.Context(), request(5, nil), patience)
		if !errors.Is(err, loop.ErrUnanswered) || !errors.As(err, &op) || !op.SafeToRetry() {
			t.Errorf("error = %v, want ErrUnanswered and safe to retry", err)
		}
	})
}

func TestARequestUnansweredForTooLongClosesTheConnection(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Stall)
		c := dial(t, e, b.Addr(), loop.Limits{MaxAbandonedAge: 50 * time.Millisecond})
		if _, err := c.RoundTrip(t.Context(), request(1, nil), 100*time.Millisecond); err == nil { // enough to be sent
			t.Fatal("answered")
		}
		within(t, patience, "the connection", func() { <-c.Done() })
		if err := c.Err(); !errors.Is(err, loop.ErrUnanswered) {
			t.Errorf("Err = %v, want ErrUnanswered", err)
		}
	})
}

// TestADeadlineHoldsWhileACallbackHoldsUpTheLoop: callers do not depend on the loop for their deadline.
func TestADeadlineHoldsWhileACallbackHoldsUpTheLoop(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Seq(hostile.AnswerN(1, mirror), hostile.Stall))
		c := dial(t, e, b.Addr(), loop.Limits{})
		hold, held := make(chan struct{}), make(chan struct{})
		if err := c.Submit(request(1, nil), time.Time{}, func([]byte, error) { close(held); <-hold }); err != nil {
			t.Fatal(err)
		}
		<-held
		within(t, patience, "the call", func() {
			if _, err := c.RoundTrip(t.Context(), request(2, nil), 20*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("error = %v, want a deadline's", err)
			}
		})
		close(hold)
	})
}

func TestConnectHasTheDeadlineOfItsContext(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		addr := fullListener(t)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		stalled := stalls()
		began := time.Now()
		_, err := e.Dial(ctx, addr, loop.DialConfig{})
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("error = %v, want a deadline's", err)
		}
		if took, late := time.Since(began), stalled(); took > 2*time.Second+late {
			t.Errorf("the dial took %v, on a machine that may stall for %v", took, late)
		}
		ctx, cancelNow := context.WithCancel(t.Context())
		time.AfterFunc(20*time.Millisecond, cancelNow)
		if _, err := e.Dial(ctx, addr, loop.DialConfig{}); !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want context.Canceled", err)
		}
	})
}

// fullListener gives an address whose queue of connections is full, so that connecting to it neither succeeds nor fails.
func fullListener(t *testing.T) string {
	t.Helper()
	addr := listenBacklog0(t)
	for range 16 {
		d := net.Dialer{Timeout: 100 * time.Millisecond}
		c, err := d.Dial("tcp", addr)
		if err != nil {
			return addr
		}
		t.Cleanup(func() { _ = c.Close() })
	}
	t.Skip("this kernel accepts connections beyond a backlog of 0")
	return ""
}
