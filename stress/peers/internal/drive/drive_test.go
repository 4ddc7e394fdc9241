package drive

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

var short = work.Durations{WarmUp: 10 * time.Millisecond, Window: 50 * time.Millisecond}

func client(c *peer.Client) peer.Opener {
	return func(context.Context, peer.Env) (*peer.Client, error) { return c, nil }
}

func TestCallersAreCountedAndTimed(t *testing.T) {
	slow := func() error { <-time.After(2 * time.Millisecond); return nil }
	began := time.Now()
	r, err := Run(t.Context(), client(&peer.Client{Callers: []func() error{slow, slow}}), peer.Env{}, short)
	beside := time.Since(began) - short.WarmUp - short.Window
	if err != nil || r.Error != "" {
		t.Fatal(err, r.Error)
	}
	// Two callers of 2 ms each, in a window that a busy machine makes longer, or counts too late.
	most := 2 * ((short.Window+beside)/(2*time.Millisecond) + 1)
	if r.Requests < 4 || r.Requests > uint64(most) || r.Samples < 4 || r.P50 < 2000 || r.Max < r.P99 || r.P99 < r.P50 {
		t.Errorf("result %+v", r)
	}
	if r.Seconds < 0.05 || r.Seconds > (short.Window+beside).Seconds() {
		t.Errorf("window of %v s, want about 0.05", r.Seconds)
	}
}

func TestPumpsAreCountedAndTimed(t *testing.T) {
	var pumps []peer.Pump
	for range 20 { // more than are timed each
		pumps = append(pumps, func(done func(error)) func() error {
			return func() error {
				time.AfterFunc(100*time.Microsecond, func() { done(nil) })
				return nil
			}
		})
	}
	r, err := Run(t.Context(), client(&peer.Client{Pumps: pumps}), peer.Env{}, short)
	if err != nil || r.Error != "" {
		t.Fatal(err, r.Error)
	}
	if r.Requests < 20 || r.Samples == 0 || r.Samples*4 > r.Requests || r.P50 < 100 {
		t.Errorf("result %+v", r)
	}
}

func TestAnErrorEndsTheMeasurement(t *testing.T) {
	broken := errors.New("broken")
	ok := func() error { <-time.After(time.Millisecond); return nil }
	bad := func() error { return broken }
	begin := time.Now()
	long := work.Durations{WarmUp: time.Minute, Window: time.Minute}
	r, err := Run(t.Context(), client(&peer.Client{Callers: []func() error{ok, bad}}), peer.Env{}, long)
	if err != nil || !strings.Contains(r.Error, "broken") {
		t.Errorf("error %v, %q", err, r.Error)
	}
	if took := time.Since(begin); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
	pump := func(done func(error)) func() error { return func() error { go done(broken); return nil } }
	r, err = Run(t.Context(), client(&peer.Client{Pumps: []peer.Pump{pump}}), peer.Env{}, long)
	if err != nil || !strings.Contains(r.Error, "broken") {
		t.Errorf("pump: error %v, %q", err, r.Error)
	}
}

func TestIdleWeighsWhatWasOpened(t *testing.T) {
	const n, size = 1000, 4096
	open := func(_ context.Context, e peer.Env) (*peer.Client, error) {
		keep := make([][]byte, e.Work.Conns)
		for i := range keep {
			keep[i] = make([]byte, size)
		}
		return &peer.Client{Keep: keep}, nil
	}
	r, err := Run(t.Context(), open, peer.Env{Work: work.Work{Idle: true, Conns: n}}, short)
	if err != nil {
		t.Fatal(err)
	}
	if got := work.Memory.Of(r); got < 3.5 || got > 5 {
		t.Errorf("%.2f KiB each, want 4", got)
	}
}

func TestSetupCountsTheOpeningAlone(t *testing.T) {
	const n, opening = 5, 20 * time.Millisecond
	opened, called := 0, 0
	open := func(_ context.Context, e peer.Env) (*peer.Client, error) {
		c := &peer.Client{}
		for range e.Work.Conns {
			opened++
			for begin := cpuSeconds(); cpuSeconds()-begin < opening.Seconds(); { // CPU time, which a busy machine gives more slowly
			}
			c.Callers = append(c.Callers, func() error { called++; return nil })
		}
		return c, nil
	}
	e := peer.Env{Work: work.Work{Setup: true, Conns: n, Callers: n}}
	r, err := Run(t.Context(), open, e, short)
	if err != nil {
		t.Fatal(err)
	}
	if opened != n+1 || called != n || r.Conns != n {
		t.Errorf("opened %d, called %d, result of %d; want one more, %d, %d", opened, called, r.Conns, n, n)
	}
	if got := work.CPUConn.Of(r); got < 1000 || got > 500_000 {
		t.Errorf("%.0f µs each, want about %v", got, opening)
	}
	broken := errors.New("certificate refused")
	_, err = Run(t.Context(), client(&peer.Client{Callers: []func() error{func() error { return broken }}}),
		peer.Env{Work: work.Work{Setup: true, Conns: 1, Callers: 1}}, short)
	if !errors.Is(err, broken) {
		t.Errorf("a connection that is of no use: %v", err)
	}
	if _, err = Run(t.Context(), client(&peer.Client{}), e, short); !errors.Is(err, peer.ErrUnavailable) {
		t.Errorf("a client that cannot try its connections: %v", err)
	}
}

func TestParseResident(t *testing.T) {
	if got := parseResident([]byte("VmPeak:\t9 kB\nVmRSS:\t    1234 kB\nThreads:\t1\n")); got != 1234<<10 {
		t.Errorf("got %d", got)
	}
	if got := parseResident([]byte("VmRSS:\n")); got != 0 {
		t.Errorf("got %d", got)
	}
}

func TestABusyClientIsWeighedWithItsRequestsInFlight(t *testing.T) {
	never := make(chan struct{})
	t.Cleanup(func() { close(never) })
	hang := func() error { <-never; return nil }
	sent := 0
	pump := func(func(error)) func() error { return func() error { sent++; return nil } }
	e := peer.Env{Work: work.Work{Conns: 2, Callers: 2, Idle: true, Busy: true}}
	r, err := Run(t.Context(), client(&peer.Client{Callers: []func() error{hang, hang}}), e, short)
	if err != nil || r.Goroutines != 2 {
		t.Errorf("%v, %d goroutines more; want 2, one for each request in flight", err, r.Goroutines)
	}
	r, err = Run(t.Context(), client(&peer.Client{Pumps: []peer.Pump{pump, pump}}), e, short)
	if err != nil || sent != 2 || r.Goroutines != 0 {
		t.Errorf("%v, %d sent, %d goroutines more; want 2 and none", err, sent, r.Goroutines)
	}
}

func TestABusyClientWhoseRequestsEndIsNotWeighed(t *testing.T) {
	e := peer.Env{Work: work.Work{Conns: 2, Callers: 2, Idle: true, Busy: true}}
	answered := func() error { return nil }
	if _, err := Run(t.Context(), client(&peer.Client{Callers: []func() error{answered, answered}}), e, short); err == nil || !strings.Contains(err.Error(), "2 requests ended") {
		t.Errorf("%v: want that both had ended", err)
	}
	if _, err := Run(t.Context(), client(&peer.Client{Callers: []func() error{answered}}), e, short); !errors.Is(err, peer.ErrUnavailable) {
		t.Errorf("%v: want that a caller is missing", err)
	}
}
