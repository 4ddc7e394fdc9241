package loop

import (
	"math/bits"
	"sync/atomic"
	"time"
)

const (
	// restShare is the part of a connection's recent round trips for which its answers may be left lying: 1 / restShare (DESIGN.md, "Moderated wake-ups").
	restShare = 4
	// minRest is the shortest rest: about what it costs to put a thread to sleep and wake it up.
	minRest = 50 * time.Microsecond
	// minRestAnswers is how many answers a rest must promise to bring together.
	minRestAnswers = 2
	// maxRestAnswers is how many are enough: by then the price of a wake-up is spread thin.
	maxRestAnswers = 16
	// minGap is how far answers must be apart, on average: where they come faster, each wake-up finds several without a rest (measured: 64 connections on
	// a broker that answers 30,000 requests a second bring 3 to 5).
	minGap = 20 * time.Microsecond
	// restWindow is the time over which answers are counted, at least.
	restWindow = 5 * time.Millisecond
	// rttShare is the weight of one more round trip in a connection's average: 1 / rttShare.
	rttShare = 8
)

// oneHurried in the sum of pollingLoop.hot is a connection with something in flight whose answers must not be left lying.
const oneHurried = 1 << 32

// patience is for how long a connection's answers may be left lying. The zero value is hurried: nobody knows yet how long its round trips take. It is small because
// each connection has one.
type patience struct {
	rtt  uint32   // of round trips lately, on average, in microseconds; 0 before the first
	step restStep // the longest rest that it allows
}

// maxRTT is the longest round trip that is told from longer ones.
const maxRTT = time.Hour

// learn takes one more round trip into account, of a connection whose DialConfig.WakeDelay is limit. One that took much longer than those before (a long poll, a
// pause) counts as twice their average: what it tells of the next ones is little, and they would pay for it.
func (p *patience) learn(d, limit time.Duration) {
	const unit = time.Microsecond
	rtt := time.Duration(p.rtt) * unit
	d = min(max(d, unit), maxRTT) // one that began after the clock was read is negative
	if rtt == 0 {
		rtt = d
	} else {
		rtt += (min(d, max(2*rtt, restShare*minRest)) - rtt) / rttShare // what allows no rest yet may not hold up what will
	}
	p.rtt, p.step = uint32(rtt.Round(unit)/unit), stepOf(min(rtt/restShare, limit))
}

// restStep names a length of a rest: 0 is none, 1 minRest, and then 1.25, 1.5, 1.75 times that, twice that, and so on.
type restStep uint8

// maxRestStep is the longest: 46 s.
const maxRestStep = 80

// stepOf is the longest that is not longer than d.
func stepOf(d time.Duration) restStep {
	if d < minRest {
		return 0
	}
	q := uint64(d / (minRest / 4))
	e := bits.Len64(q) - 3
	return restStep(min(4*e+int(q>>e)-3, maxRestStep))
}

func (s restStep) rest() time.Duration {
	if s == 0 {
		return 0
	}
	s--
	return minRest / 4 * ((4 + time.Duration(s)%4) << (s / 4))
}

// patients counts the connections with something in flight that allow a rest, by its length. Safe for concurrent use.
type patients [maxRestStep + 1]atomic.Int32

// least is what the least patient allows; 0: there is none.
func (p *patients) least() time.Duration {
	for i := range p {
		if p[i].Load() > 0 {
			return restStep(i).rest()
		}
	}
	return 0
}

// learnLocked tells the loop of answers, and learns from one of them how long they take: the last whose beginning is known. On the loop.
func (c *Conn) learnLocked(batch []answer) {
	p := c.polling
	if p == nil {
		return
	}
	found := p.loop.answered(len(batch))
	limit := c.limits.wakeDelay
	if found == 0 || limit <= 0 || p.budget > 0 {
		return
	}
	i := len(batch) - 1
	for i >= 0 && (batch[i].e == nil || batch[i].e.begun == 0 || batch[i].e.lined) {
		i--
	}
	if i < 0 {
		return
	}
	before := *p
	p.learn(time.Duration(found-batch[i].e.begun), limit)
	if c.hot && p.step != before.step {
		p.set(true) // first, so that it is counted at any time
		before.set(false)
	}
}

// moderator decides for one loop whether to rest before it looks for events again, so that one wake-up brings several answers. Its methods belong to
// the loop's goroutine.
//
// A rest is no longer than the least patient of the connections with something in flight allows, and there is one only where answers have been coming fast
// enough for it to bring some together. Both hold only with many requests in flight: restShare * minRestAnswers at least.
type moderator struct {
	// Of the window that is being counted.
	began   int64
	answers int
	bulky   bool // reads have filled their buffers: bytes would stand still, not answers

	// Of the last whole window.
	gap       time.Duration // between two answers, on average; 0: there was none
	wereBulky bool
}

// answered counts answers.
func (m *moderator) answered(n int) { m.answers += n }

// full tells that a read has left something.
func (m *moderator) full() { m.bulky = true }

// rest is how long to rest at the instant t, where no more is allowed than that; 0 is not at all.
func (m *moderator) rest(t int64, allowed time.Duration) time.Duration {
	if w := time.Duration(t - m.began); w >= restWindow {
		m.gap = 0
		if m.answers > 0 {
			m.gap = w / time.Duration(m.answers)
		}
		m.wereBulky = m.bulky
		m.began, m.answers, m.bulky = t, 0, false
	}
	if m.gap < minGap || m.bulky || m.wereBulky {
		return 0
	}
	d := min(allowed, maxRestAnswers*m.gap)
	if d < minRest || d < minRestAnswers*m.gap {
		return 0
	}
	return d
}
