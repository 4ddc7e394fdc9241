package loop

import (
	"math/rand/v2"
	"testing"
	"time"
)

// simulated is a loop's waiting in simulated time: polls cost pollCost, and a sleeping loop needs wakeCost to wake up.
type simulated struct {
	spinner
	t         int64
	asleep    time.Duration
	latencies time.Duration
}

const (
	pollCost = 500 * time.Nanosecond
	wakeCost = 45 * time.Microsecond
)

func newSimulated() *simulated {
	s := &simulated{}
	s.start(0)
	return s
}

// wait is one request in flight whose answer arrives after d, on a connection with the given budget.
func (s *simulated) wait(d, budget time.Duration) {
	s.inFlight.Store(1)
	arrives := s.t + int64(d)
	for s.again(s.t) {
		if s.t >= arrives {
			s.end(arrives, budget)
			return
		}
		s.t += int64(pollCost)
	}
	s.asleep += time.Duration(max(arrives-s.t, 0))
	s.t = max(s.t, arrives) + int64(wakeCost)
	s.end(arrives, budget)
}

func (s *simulated) end(arrived int64, budget time.Duration) {
	s.event(s.t)
	s.served(budget)
	s.latencies += time.Duration(s.t - arrived)
	s.t += int64(2 * time.Microsecond)
}

func (s *simulated) wastedShare() float64 { return float64(s.miss.Load()) / float64(s.t) }

func TestAutomaticPollingPaysOrStops(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name    string
		next    func(i int) time.Duration
		latency time.Duration // of the loop behind the arrival, at most, on average
	}{
		{"20 µs", func(int) time.Duration { return 20 * time.Microsecond }, 2 * time.Microsecond},
		{"45 µs", func(int) time.Duration { return 45 * time.Microsecond }, 2 * time.Microsecond},
		{"200 µs", func(int) time.Duration { return 200 * time.Microsecond }, wakeCost},
		{"5 ms", func(int) time.Duration { return 5 * time.Millisecond }, wakeCost},
		{"by turns", func(i int) time.Duration {
			return []time.Duration{20 * time.Microsecond, 200 * time.Microsecond, 5 * time.Millisecond}[i%3]
		}, wakeCost},
		{"by turns of 100", func(i int) time.Duration {
			return []time.Duration{20 * time.Microsecond, 200 * time.Microsecond, 5 * time.Millisecond}[i/100%3]
		}, wakeCost},
		{"20 µs and 5 ms", func(i int) time.Duration {
			return []time.Duration{20 * time.Microsecond, 5 * time.Millisecond}[i%2]
		}, wakeCost},
		{"at random", func(int) time.Duration { return time.Duration(random.ExpFloat64() * float64(60*time.Microsecond)) }, wakeCost},
		{"just too late", func(int) time.Duration { return autoPollMax + time.Microsecond }, wakeCost},
	} {
		s := newSimulated()
		n := 0
		for ; s.t < int64(3*time.Second); n++ {
			s.wait(tt.next(n), 0)
		}
		if share := s.wastedShare(); share > 0.02 {
			t.Errorf("%s: %.2f %% of the time went into polls without an event, want 2 %% at most", tt.name, 100*share)
		}
		if mean := s.latencies / time.Duration(n); mean > tt.latency {
			t.Errorf("%s: the loop was %v late on average, want %v at most", tt.name, mean, tt.latency)
		}
	}
}

// TestAutomaticPollingComesBackAfterADisturbance: somebody else takes the core for a while, and short waits look long.
func TestAutomaticPollingComesBackAfterADisturbance(t *testing.T) {
	s := newSimulated()
	for range 1000 {
		s.wait(20*time.Microsecond, 0)
	}
	if s.asleep != 0 {
		t.Fatalf("slept %v before the disturbance", s.asleep)
	}
	for range 50 { // the loop is off the core in the middle of its polls, and answers are late
		s.inFlight.Store(1)
		s.again(s.t)
		s.t += int64(3 * time.Millisecond)
		s.again(s.t)
		s.event(s.t)
		s.served(0)
		s.wait(time.Millisecond, 0)
	}
	began := s.t
	for s.t < began+int64(100*time.Millisecond) {
		s.wait(20*time.Microsecond, 0)
	}
	s.asleep = 0
	for range 1000 {
		s.wait(20*time.Microsecond, 0)
	}
	if s.asleep != 0 {
		t.Errorf("100 ms after the disturbance the loop still sleeps, %v in 1000 waits of 20 µs", s.asleep)
	}
}

func TestExplicitPollingPollsForItsBudget(t *testing.T) {
	s := newSimulated()
	s.served(300 * time.Microsecond)
	s.wait(250*time.Microsecond, 300*time.Microsecond)
	if s.asleep != 0 {
		t.Errorf("slept %v within the budget", s.asleep)
	}
	s.wait(5*time.Millisecond, 300*time.Microsecond)
	if want := 4700 * time.Microsecond; s.asleep < want || s.asleep > want+time.Millisecond {
		t.Errorf("slept %v, want %v: the budget and no more is polled", s.asleep, want)
	}
}

func TestNegativePollingNeverPolls(t *testing.T) {
	s := newSimulated()
	for range 100 {
		s.served(-1)
		s.inFlight.Store(0) // such a connection does not tell of its requests
		if s.again(s.t) {
			t.Fatal("polled")
		}
		s.t += int64(20 * time.Microsecond)
		s.event(s.t)
	}
}

func TestNothingInFlightIsPolledForNoLongerThanTheGrace(t *testing.T) {
	s := newSimulated()
	s.served(time.Millisecond)
	began := s.t
	for s.again(s.t) {
		s.t += int64(pollCost)
	}
	if d := time.Duration(s.t - began); d > pollGrace+pollCost {
		t.Errorf("polled for %v with nothing in flight, want %v at most", d, pollGrace)
	}
}
