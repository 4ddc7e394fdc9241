package kio

import (
	"sync"
	"time"
)

// dialGate lets the connection attempts of all Clusters on an engine through: so many at a time, and so many a second. An attempt that waits is an element of a
// queue and has no goroutine. Safe for concurrent use.
//
// Attempts at addresses where the last one failed after it had kept its place for long stand behind the others and get few of the places while those wait (slowTurn, slowPlaces), half of them else, so that
// brokers which accept and say nothing cannot keep the others from coming back. One that was refused at once is none of these: it costs next to nothing, and is
// what a broker that restarts looks like.
type dialGate struct {
	// Immutable after newDialGate.
	max      int
	interval time.Duration // between two attempts; 0: no bound
	burst    time.Duration // how far attempts may run ahead of the interval

	mu       sync.Mutex
	fresh    attemptQueue
	slow     attemptQueue
	running  int
	suspects int // of the running ones: slow ones
	passed   int // how many others have begun since the last slow one
	next     time.Time
	timer    *time.Timer
	armed    bool
	stats    DialStats
}

// DialStats tells how an engine's Clusters connect.
type DialStats struct {
	Running    int    // attempts under way
	Waiting    int    // attempts that wait for their turn
	MaxRunning int    // the most that were ever under way at a time
	Started    uint64 // attempts so far
}

// attempt is one attempt to connect. Its fields are guarded by the gate's mu after enter.
type attempt struct {
	run     func() // on a goroutine of its own, which ends with it
	slow    bool   // the last attempt at the same address has failed, and not at once
	queued  bool
	dropped bool
}

// attemptQueue is first in, first out.
type attemptQueue struct {
	list []*attempt
	head int
}

func (q *attemptQueue) len() int { return len(q.list) - q.head }

func (q *attemptQueue) push(a *attempt) {
	if q.head > len(q.list)/2 && q.head > 32 {
		n := copy(q.list, q.list[q.head:])
		clear(q.list[n:])
		q.list, q.head = q.list[:n], 0
	}
	q.list = append(q.list, a)
}

func (q *attemptQueue) pop() *attempt {
	a := q.list[q.head]
	q.list[q.head] = nil
	if q.head++; q.head == len(q.list) {
		q.list, q.head = nil, 0
	}
	return a
}

func newDialGate(maxDials int, perSecond float64) *dialGate {
	g := &dialGate{max: maxDials}
	if perSecond > 0 {
		g.interval = spacing(perSecond)
	}
	if g.interval > 0 {
		g.burst = time.Duration(min(maxDials-1, int(dialBurst/g.interval))) * g.interval
	}
	return g
}

// spacing is the time between two of so many a second.
func spacing(perSecond float64) time.Duration {
	return time.Duration(min(float64(time.Second)/perSecond, float64(maxSpacing)))
}

// maxSpacing stands for never: a rate may be as small as one likes, but sums of times must not overflow.
const maxSpacing = 365 * 24 * time.Hour

// dialBurst bounds how much of the rate may be used at once after a pause (guessed: short enough for the bound to hold in every second but for a tenth).
const dialBurst = 100 * time.Millisecond

// enter queues an attempt, which runs when its turn has come.
func (g *dialGate) enter(a *attempt) {
	g.mu.Lock()
	defer g.mu.Unlock()
	a.queued = true
	if a.slow {
		g.slow.push(a)
	} else {
		g.fresh.push(a)
	}
	g.stats.Waiting++
	g.pumpLocked()
}

// drop takes an attempt back, and reports whether it has not begun: then it never will.
func (g *dialGate) drop(a *attempt) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !a.queued || a.dropped {
		return false
	}
	a.dropped = true // and pumpLocked passes it over
	g.stats.Waiting--
	return true
}

// nextLocked is the queue whose turn it is, nil where nothing may begin.
func (g *dialGate) nextLocked() *attemptQueue {
	fresh := g.fresh.len() > 0
	places := g.max / 2
	if fresh {
		places = g.max / slowPlaces
	}
	slow := g.slow.len() > 0 && g.suspects < max(places, 1)
	switch {
	case slow && (!fresh || g.passed >= slowTurn):
		return &g.slow
	case fresh:
		return &g.fresh
	default:
		return nil
	}
}

// Where others wait, a slow one has its turn after slowTurn of them, and slow ones have one of slowPlaces places: none for ever would starve them where thousands of brokers refuse, and
// half would make the others wait twice as long (both guessed).
const (
	slowTurn   = 3
	slowPlaces = 8
)

// pumpLocked starts what may start.
func (g *dialGate) pumpLocked() {
	for g.running < g.max {
		q := g.nextLocked()
		if q == nil {
			return
		}
		if q.list[q.head].dropped {
			q.pop()
			continue
		}
		if !g.takeTurnLocked() {
			return
		}
		a := q.pop()
		a.queued = false
		g.running++
		g.passed++
		if a.slow {
			g.suspects++
			g.passed = 0
		}
		g.stats.Waiting--
		g.stats.Started++
		g.stats.MaxRunning = max(g.stats.MaxRunning, g.running)
		go g.work(a)
	}
}

// takeTurnLocked counts one attempt against the rate, or sees to it that the timer asks again in time.
func (g *dialGate) takeTurnLocked() bool {
	if g.interval == 0 {
		return true
	}
	now := time.Now()
	if wait := g.next.Sub(now); wait > g.burst {
		if !g.armed {
			g.armed = true
			g.timer = time.AfterFunc(wait-g.burst, g.onTimer)
		}
		return false
	}
	if g.next.Before(now) {
		g.next = now
	}
	g.next = g.next.Add(g.interval)
	return true
}

// onTimer goes on when the rate allows it. The timer runs it, on a goroutine that ends at once.
func (g *dialGate) onTimer() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.armed = false
	g.pumpLocked()
}

// work is the goroutine of one attempt: pumpLocked starts it, its end is the attempt's, and whose attempt it is waits for it.
func (g *dialGate) work(a *attempt) {
	defer func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.running--
		if a.slow {
			g.suspects--
		}
		g.pumpLocked()
	}()
	a.run()
}

// snapshot is the gate's part of the statistics.
func (g *dialGate) snapshot() DialStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.stats
	s.Running = g.running
	return s
}
