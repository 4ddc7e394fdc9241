package loop

import "time"

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

// patience is for how long a connection's answers may be left lying. The zero value is hurried: nobody knows yet how long its round trips take.
type patience struct {
	limit  time.Duration // as DialConfig.WakeDelay has it; 0 or less: never
	rtt    time.Duration // of round trips lately, on average; 0 before the first
	allows time.Duration // 0: not at all
}

// learn takes one more round trip into account.
func (p *patience) learn(d time.Duration) {
	if p.rtt == 0 {
		p.rtt = max(d, 1)
	} else {
		p.rtt += (d - p.rtt) / rttShare
	}
	p.allows = min(p.rtt/restShare, p.limit)
	if p.allows < minRest {
		p.allows = 0
	}
}

// learnLocked tells the loop of answers, and learns from the last of them how long they take. On the loop.
func (c *Conn) learnLocked(batch []answer) {
	p := c.polling
	if p == nil {
		return
	}
	found := p.loop.answered(len(batch), p.allows)
	e := batch[len(batch)-1].e
	if found == 0 || p.limit <= 0 || p.budget > 0 || e == nil || e.begun == 0 || e.lined {
		return
	}
	before := p.weight()
	p.learn(time.Duration(found - e.begun))
	if w := p.weight(); c.hot && w != before {
		p.loop.hot(w - before)
	}
}

// moderator decides for one loop whether to rest before it looks for events again, so that one wake-up brings several answers. Its methods belong to
// the loop's goroutine.
//
// A rest is no longer than the least patient of the connections that were answered lately allows, and there is one only where answers have been coming fast
// enough for it to bring some together. Both hold only with many requests in flight: restShare * minRestAnswers at least. Connections that allow none are
// counted elsewhere (oneHurried): they forbid rests only while something is in flight on them.
type moderator struct {
	// Of the window that is being counted.
	began   int64
	answers int
	allows  time.Duration // of the least patient; 0: nobody was answered
	bulky   bool          // reads have filled their buffers: bytes would stand still, not answers

	// Of the last whole window.
	gap       time.Duration // between two answers, on average; 0: there was none
	allowed   time.Duration
	wereBulky bool
}

// answered counts answers of a connection with this patience.
func (m *moderator) answered(n int, allows time.Duration) {
	m.answers += n
	m.allows = leastPatient(m.allows, allows)
}

// full tells that a read has left something.
func (m *moderator) full() { m.bulky = true }

// rest is how long to rest at the instant t; 0 is not at all.
func (m *moderator) rest(t int64) time.Duration {
	if w := time.Duration(t - m.began); w >= restWindow {
		m.gap = 0
		if m.answers > 0 {
			m.gap = w / time.Duration(m.answers)
		}
		m.allowed, m.wereBulky = m.allows, m.bulky
		m.began, m.answers, m.allows, m.bulky = t, 0, 0, false
	}
	if m.gap < minGap || m.bulky || m.wereBulky {
		return 0
	}
	d := min(leastPatient(m.allowed, m.allows), maxRestAnswers*m.gap)
	if d < minRest || d < minRestAnswers*m.gap {
		return 0
	}
	return d
}

// leastPatient is the shorter of two rests, of which 0 does not count.
func leastPatient(a, b time.Duration) time.Duration {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}
