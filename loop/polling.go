package loop

import (
	"sync/atomic"
	"time"
)

// polling is a connection's say in its loop's busy polling.
type polling struct {
	loop   pollingLoop
	budget time.Duration // as DialConfig.BusyPoll has it; never negative where the connection tells of its requests
}

// pollingLoop is a loop that can poll.
type pollingLoop interface {
	// hot counts the connections with something in flight.
	hot(delta int64)
	// expect wakes the loop, if it sleeps, to poll for as long as budget.
	expect(budget time.Duration)
}

// set tells whether something is in flight on the connection. p may be nil: nobody wants to know.
func (p *polling) set(inFlight bool) {
	if p == nil {
		return
	}
	if !inFlight {
		p.loop.hot(-1)
		return
	}
	p.loop.hot(1)
	if p.budget > 0 {
		p.loop.expect(p.budget)
	}
}

const (
	// autoPollWait is the longest wait that automatic polling takes as worth polling for: about what it costs, in latency and in CPU, to put a core to
	// sleep and wake it up (measured: a loopback round trip of 17 µs takes 50 µs and more when the cores sleep).
	autoPollWait = 50 * time.Microsecond
	// autoPollMax is the longest that automatic polling polls for one event.
	autoPollMax = 120 * time.Microsecond
	// sleptWait is how long a wait that the loop slept through may have taken and yet have been short: the wake-up is in the figure.
	sleptWait = 150 * time.Microsecond
	// pollGrace is how long a loop polls with nothing in flight: those whom it has just answered get the chance to ask again.
	pollGrace = 20 * time.Microsecond
	// wasteShare is the part of the time that automatic polling may spend on polls that end without an event: 1 / wasteShare.
	wasteShare = 64
	// wasteCredit is the most that may be saved up of it.
	wasteCredit = 500 * time.Microsecond
)

// spinner decides for one loop when to poll without sleeping. Its methods belong to the loop's goroutine, but for the atomic fields.
type spinner struct {
	inFlight atomic.Int64 // connections with something in flight
	wanted   atomic.Int64 // a budget that a caller asks for while the loop sleeps

	waiting bool  // a wait is being measured
	began   int64 // when it began
	limit   int64 // until when to poll for its end
	bounded bool  // the limit is automatic: what is wasted is on credit
	slept   bool

	budget    time.Duration // the longest explicit budget among the connections served in this turn
	automatic bool          // a connection with automatic polling was served in this turn
	expected  time.Duration // automatic: how long waits have been lately
	credit    time.Duration // automatic: what may still be wasted
	refilled  int64

	polled atomic.Int64 // nanoseconds of polls that ended with an event
	wasted atomic.Int64 // nanoseconds of polls that ended without one
}

func (s *spinner) start(t int64) {
	s.expected = autoPollWait
	s.credit = wasteCredit
	s.refilled = t
}

// served tells that an event of a connection with this budget was served.
func (s *spinner) served(budget time.Duration) {
	if budget == 0 {
		s.automatic = true
	} else if budget > s.budget {
		s.budget = budget
	}
}

// again reports at the instant t whether to poll once more before sleeping. The first call after an empty poll begins a wait.
func (s *spinner) again(t int64) bool {
	if !s.waiting {
		s.begin(t)
	}
	if t < s.limit && (s.inFlight.Load() > 0 || t < s.began+int64(pollGrace)) {
		return true
	}
	s.giveUp(t)
	return false
}

// begin begins a wait and decides how long to poll for its end.
func (s *spinner) begin(t int64) {
	s.waiting, s.began, s.limit, s.bounded, s.slept = true, t, t, false, false
	budget := max(s.budget, time.Duration(s.wanted.Swap(0)))
	switch {
	case budget > 0:
		s.limit = t + int64(budget)
	case s.automatic || s.inFlight.Load() > 0:
		s.credit = min(s.credit+time.Duration(t-s.refilled)/wasteShare, wasteCredit)
		s.refilled = t
		d := min(2*s.expected+pollGrace, autoPollMax)
		if s.expected <= autoPollWait && d <= s.credit {
			s.limit, s.bounded = t+int64(d), true
		}
	}
	s.budget, s.automatic = 0, false
}

// giveUp ends the polling of a wait: the loop goes to sleep.
func (s *spinner) giveUp(t int64) {
	s.slept = true
	if s.limit == s.began {
		return
	}
	d := t - s.began
	s.wasted.Add(d)
	if s.bounded {
		s.credit -= time.Duration(d)
	}
}

// event ends at the instant t the wait that is being measured, and learns from it.
func (s *spinner) event(t int64) {
	s.waiting = false
	d := time.Duration(t - s.began)
	if !s.slept {
		s.polled.Add(int64(d))
	}
	switch {
	case s.slept && d <= sleptWait:
		s.expected = min(s.expected, autoPollWait) // short, but for the wake-up: worth a try
	default:
		s.expected += (min(d, 10*time.Millisecond) - s.expected) / 4
	}
}

// interrupted ends a wait that no event has ended.
func (s *spinner) interrupted() { s.waiting = false }
