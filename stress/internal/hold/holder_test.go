package hold_test

import (
	"context"
	"net"
	"testing"
	"time"

	"kafkaio/internal/leak"
	"kafkaio/stress/internal/hold"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/responder"
)

// check is leak.Check without the workers of gnet's pool, which end when they have been idle for 10 s.
func check(t *testing.T) {
	t.Helper()
	leak.Check(t, leak.IgnoreGoroutine("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// brokers starts responders, each with an address of its own.
func brokers(t *testing.T, n int, cfg responder.Config) []string {
	t.Helper()
	var addrs []string
	for range n {
		r, err := responder.Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		addrs = append(addrs, r.Addrs()...)
	}
	return addrs
}

// deadAddr is an address at which nobody listens.
func deadAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func start(t *testing.T, cfg hold.Config) *hold.Holder {
	t.Helper()
	h, err := hold.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	h.SetStalled(500 * time.Millisecond)
	return h
}

// run opens, asks and closes.
func run(t *testing.T, ctx context.Context, cfg hold.Config) *hold.Result {
	t.Helper()
	h := start(t, cfg)
	if err := h.Open(ctx); err != nil {
		h.Close()
		t.Fatal(err)
	}
	h.Ask(ctx)
	r := h.Close()
	if err := r.Check(); err != nil {
		t.Error(err)
	}
	return r
}

func TestEachConnectionIsAskedOnTime(t *testing.T) {
	check(t)
	addrs := brokers(t, 3, responder.Config{})
	r := run(t, t.Context(), hold.Config{Addrs: addrs, PerBroker: 4, Every: 200 * time.Millisecond, Duration: time.Second, Timeout: 5 * time.Second})
	if !r.Clean() || r.End != load.EndDuration || r.Opened != 12 || r.Brokers != 3 {
		t.Errorf("%+v: want a clean run of 12 connections to 3 brokers", r)
	}
	const due = 12 * 5
	if r.Sent != due || r.OK != due {
		t.Errorf("sent %d, ok %d; want %d", r.Sent, r.OK, due)
	}
	if r.Least != 1+5 || r.Most != r.Least {
		t.Errorf("connections had %d to %d requests, want 5 and the one that has opened them on each", r.Least, r.Most)
	}
	if r.FromDue.Count() != r.OK || r.FromSubmit.Count() != r.OK || r.FromDue.Mean() < r.FromSubmit.Mean() {
		t.Errorf("%d latencies of %v on average from the moment they were due, %d of %v from Submit; want %d of each, the first longer",
			r.FromDue.Count(), r.FromDue.Mean(), r.FromSubmit.Count(), r.FromSubmit.Mean(), r.OK)
	}
	if r.Gate.MaxRunning == 0 || r.Dials != 12 || r.Connecting <= 0 || r.Idle.Heap == 0 || r.Asked.Goroutines == 0 || r.PeakGoroutines == 0 || r.MedianGoroutines == 0 || r.PeakDialling == 0 {
		t.Errorf("%+v: want all figures", r)
	}
}

func TestGoroutinesDoNotGrowWithBrokers(t *testing.T) {
	check(t)
	of := func(n int) int {
		r := run(t, t.Context(), hold.Config{Addrs: brokers(t, n, responder.Config{}), PerBroker: 1, Every: 50 * time.Millisecond, Duration: 200 * time.Millisecond, Timeout: 5 * time.Second})
		if !r.Clean() {
			t.Errorf("%+v: want a clean run", r)
		}
		return r.Idle.Goroutines - r.Before.Goroutines
	}
	for _, n := range []int{1, 20} {
		if grown := of(n); grown > 0 {
			t.Errorf("%d goroutines more with a connection to each of %d brokers, want none", grown, n)
		}
	}
}

func TestABrokerThatIsDownMakesNobodyLate(t *testing.T) {
	check(t)
	addrs := append(brokers(t, 1, responder.Config{}), deadAddr(t))
	r := run(t, t.Context(), hold.Config{Addrs: addrs, PerBroker: 1, Every: 20 * time.Millisecond, Duration: 400 * time.Millisecond, Timeout: 10 * time.Second, Senders: 1})
	if r.Clean() || r.Opened != 1 || r.Down[load.ClassRefused] != 1 || r.DialErrors == 0 {
		t.Errorf("%+v: want one of two brokers refused", r)
	}
	if r.OK < 15 || r.Failed < 15 || r.Errors[load.ClassRefused] != r.Failed {
		t.Errorf("ok %d, failed %d: %v; want about 20 of each, all of the failed ones refused", r.OK, r.Failed, r.Errors)
	}
	if r.Sent != 40 || r.Skipped != 0 || r.Sending > 2*time.Second {
		t.Errorf("sent %d, skipped %d in %v; want 40 in 0.4 s: the sender waited for who is down", r.Sent, r.Skipped, r.Sending)
	}
}

func TestNobodyIsThere(t *testing.T) {
	check(t)
	h := start(t, hold.Config{Addrs: []string{deadAddr(t)}, PerBroker: 1, Every: time.Second, Timeout: time.Second})
	if err := h.Open(t.Context()); err == nil || load.Classify(err) != load.ClassRefused {
		t.Errorf("%v: want that the connection was refused", err)
	}
	if r := h.Close(); r.Sent != 0 || r.End != load.EndNotBegun || r.Check() != nil {
		t.Errorf("%+v: want that nothing was sent", r)
	}
}

func TestLateAnswersAreTimeouts(t *testing.T) {
	check(t)
	addrs := brokers(t, 1, responder.Config{Delay: 300 * time.Millisecond})
	r := run(t, t.Context(), hold.Config{Addrs: addrs, PerBroker: 1, Every: 20 * time.Millisecond, Duration: 200 * time.Millisecond, Timeout: 100 * time.Millisecond})
	if r.OK != 0 || r.Failed < 5 || r.Errors[load.ClassTimeout] != r.Failed || r.Disconnects != 0 {
		t.Errorf("ok %d, failed %d: %v, %d disconnects; want timeouts only", r.OK, r.Failed, r.Errors, r.Disconnects)
	}
}

func TestTheContextEndsAsking(t *testing.T) {
	check(t)
	addrs := brokers(t, 1, responder.Config{})
	ctx, cancel := context.WithCancel(t.Context())
	h := start(t, hold.Config{Addrs: addrs, PerBroker: 2, Every: 10 * time.Millisecond, Timeout: time.Second})
	if err := h.Open(ctx); err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{})
	go func() {
		h.Ask(ctx)
		close(asked)
	}()
	deadline := time.After(10 * time.Second)
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for h.Progress().OK < 5 {
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("%+v: want answers", h.Progress())
		}
	}
	if p := h.Progress(); p.Phase != load.Sending || p.Wanted != 2 || p.Asking <= 0 {
		t.Errorf("%+v: want it sending on 2 connections", p)
	}
	cancel()
	<-asked
	if r := h.Close(); r.End != load.EndInterrupted || r.Check() != nil || !r.Clean() {
		t.Errorf("%+v: want a clean run that was interrupted", r)
	}
}

func TestNewRefuses(t *testing.T) {
	good := hold.Config{Addrs: []string{"x:1"}, PerBroker: 1, Every: time.Second, Timeout: time.Second}
	for name, spoil := range map[string]func(*hold.Config){
		"Addrs":     func(c *hold.Config) { c.Addrs = nil },
		"PerBroker": func(c *hold.Config) { c.PerBroker = 0 },
		"Every":     func(c *hold.Config) { c.Every = 0 },
		"Duration":  func(c *hold.Config) { c.Duration = -1 },
		"Timeout":   func(c *hold.Config) { c.Timeout = 0 },
		"Senders":   func(c *hold.Config) { c.Senders = -1 },
	} {
		c := good
		spoil(&c)
		if _, err := hold.New(c); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSendersThatCannotKeepUpAreTold(t *testing.T) {
	check(t)
	addrs := brokers(t, 1, responder.Config{})
	r := run(t, t.Context(), hold.Config{Addrs: addrs, PerBroker: 1, Every: 10 * time.Nanosecond, Duration: 200 * time.Millisecond, Timeout: 200 * time.Millisecond, Senders: 1})
	if r.Skipped == 0 || r.Sent+r.Skipped != 20_000_000 || r.Clean() || r.End != load.EndDuration {
		t.Errorf("sent %d, skipped %d, end %s; want 20,000,000 in all, some of them skipped", r.Sent, r.Skipped, r.End)
	}
}
