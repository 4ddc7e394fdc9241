package loop

import (
	"sync/atomic"
	"time"
)

// polling is a connection's say in its loop's busy polling.
type polling struct {
	loop   pollingLoop
	budget time.Duration // as DialConfig.BusyPoll has it
	patience
}

// pollingLoop is a loop that can poll.
type pollingLoop interface {
	// hot adds up the weights of the connections with something in flight.
	hot(delta int64)
	// patient counts those of them that allow a rest of this length, not 0: n are more, or fewer.
	patient(allows restStep, n int32)
	// answered tells of n answers, and gives the instant at which they were found; 0 if nobody has looked at the clock. Only on the loop.
	answered(n int) int64
	// keep takes over to flush the connection, whose writer the loop is, when those have run whom it has just answered; false if it does not. Only on the loop.
	keep(c *Conn) bool
	// expect wakes the loop, if it sleeps, to poll for as long as budget.
	expect(budget time.Duration)
}

// set tells whether something is in flight on the connection. p may be nil: nobody wants to know.
func (p *polling) set(inFlight bool) {
	if p == nil {
		return
	}
	n := int64(1)
	if !inFlight {
		n = -1
	}
	if p.step > 0 {
		p.loop.patient(p.step, int32(n))
	}
	if w := p.weight(); w != 0 {
		p.loop.hot(n * w)
	}
	if !inFlight {
		return
	}
	if p.budget > 0 {
		p.loop.expect(p.budget)
	}
}

// weight is what the connection adds to the sum of those with something in flight: 1 if it may be polled for, and oneHurried if its answers may not be left
// lying.
func (p *polling) weight() int64 {
	var w int64
	if p.budget >= 0 {
		w = 1
	}
	if p.step == 0 { // as with all that have an explicit budget
		w += oneHurried
	}
	return w
}

const (
	// autoPollWait is the longest wait, on average lately, that automatic polling takes as worth polling for: about what it costs, in latency and in
	// CPU, to put a core to sleep and wake it up (measured: a loopback round trip of 20 µs takes 70 µs and more when the cores sleep).
	autoPollWait = 50 * time.Microsecond
	// autoPollMax is the longest that automatic polling polls for one event.
	autoPollMax = 120 * time.Microsecond
	// autoPollConns is the most connections with something in flight for which automatic polling polls: with more, a wake-up brings many answers at once,
	// and its price is shared (measured: 256 connections with one request each cost 2 to 6 % more CPU when the loop polls).
	autoPollConns = 32
	// pollGrace is how long a loop polls with nothing in flight: those whom it has just answered get the chance to ask again.
	pollGrace = 20 * time.Microsecond
	// pollStep is the most that the time between two polls counts as spent on polling: beyond it, somebody else had the core.
	pollStep = 5 * time.Microsecond
	// wasteShare is the part of the time that automatic polling may spend on polls that end without an event: 1 / wasteShare.
	wasteShare = 64
	// wasteCredit is the most that may be saved up of it.
	wasteCredit = 500 * time.Microsecond
	// minProbe and maxProbe are how soon and how late automatic polling tries anew where waits were too long: a wait that the loop sleeps through
	// has the wake-up in it, so that only a try tells how short it could be. The time doubles with each try that fails.
	minProbe = time.Millisecond
	maxProbe = 32 * time.Millisecond
)

// spinner decides for one loop when to poll without sleeping. Its methods belong to the loop's goroutine, but for the atomic fields.
type spinner struct {
	inFlight atomic.Int64 // the sum of the weights of connections with something in flight
	wanted   atomic.Int64 // a budget that a caller asks for while the loop sleeps

	// Of the wait that is being measured.
	waiting bool
	slept   bool
	bounded bool // the limit is automatic: what is wasted is on credit
	probing bool
	began   int64
	last    int64 // the last poll
	limit   int64 // until when to poll
	spent   int64 // nanoseconds spent on polls

	budget    time.Duration // the longest explicit budget among the connections served in this turn
	automatic bool          // a connection with automatic polling was served in this turn

	expected   time.Duration // automatic: how long waits have been lately
	credit     time.Duration // automatic: what may still be wasted
	refilled   int64
	probeAt    int64
	probeEvery time.Duration

	hit  atomic.Int64 // nanoseconds spent on polls that ended with an event
	miss atomic.Int64 // nanoseconds spent on polls that ended without one
}

// hot is the number of connections with something in flight that may be polled for.
func (s *spinner) hot() int { return int(int32(s.inFlight.Load())) }

// hurried reports whether something is in flight whose answer may not be left lying.
func (s *spinner) hurried() bool { return s.inFlight.Load() >= oneHurried }

func (s *spinner) start(t int64) {
	s.expected = autoPollWait
	s.credit = wasteCredit
	s.refilled = t
	s.probeEvery = minProbe
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
	} else {
		s.spent += min(t-s.last, int64(pollStep))
	}
	s.last = t
	if t < s.limit && (s.hot() > 0 || t < s.began+int64(pollGrace)) {
		return true
	}
	s.giveUp(t)
	return false
}

// begin begins a wait and decides how long to poll for its end.
func (s *spinner) begin(t int64) {
	s.waiting, s.slept, s.bounded, s.probing = true, false, false, false
	s.began, s.limit, s.spent = t, t, 0
	budget := max(s.budget, time.Duration(s.wanted.Swap(0)))
	switch {
	case budget > 0:
		s.limit = t + int64(budget)
	case (s.automatic || s.hot() > 0) && s.hot() <= autoPollConns:
		s.credit = min(s.credit+time.Duration(t-s.refilled)/wasteShare, wasteCredit)
		s.refilled = t
		d := min(2*s.expected+pollGrace, autoPollMax)
		if s.expected > autoPollWait {
			s.probing = t >= s.probeAt
		}
		if (s.expected <= autoPollWait || s.probing) && d <= s.credit {
			s.limit, s.bounded = t+int64(d), true
		}
	}
	s.budget, s.automatic = 0, false
}

// giveUp ends the polling of a wait: the loop goes to sleep.
func (s *spinner) giveUp(t int64) {
	s.slept = true
	s.pay()
	if s.probing {
		s.probeEvery = min(2*s.probeEvery, maxProbe)
		s.probeAt = t + int64(s.probeEvery)
	}
}

// event ends at the instant t the wait that is being measured, and learns from it.
func (s *spinner) event(t int64) {
	s.waiting = false
	d := min(time.Duration(t-s.began), 10*time.Millisecond)
	if s.slept {
		s.expected += (d - s.expected) / 4
		return
	}
	s.hit.Add(s.spent + min(t-s.last, int64(pollStep)))
	if s.probing {
		s.expected, s.probeEvery = d, minProbe
		return
	}
	s.expected += (d - s.expected) / 4
}

// interrupted ends a wait that no event has ended.
func (s *spinner) interrupted() {
	if s.waiting && !s.slept {
		s.pay()
	}
	s.waiting = false
}

// pay accounts for polls that no event has ended.
func (s *spinner) pay() {
	s.miss.Add(s.spent)
	if s.bounded {
		s.credit -= time.Duration(s.spent)
	}
}
