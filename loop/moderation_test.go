package loop

import (
	"math/rand/v2"
	"testing"
	"time"
)

// queue is a broker in simulated time that answers one request after the other, each in the time that service gives, to callers on one connection who ask
// again at once; the client's loop rests as the moderator says, and is then busy for a while.
type queue struct {
	moderator
	patience
	service func() time.Duration
	far     time.Duration // what a request and its answer travel
	busy    time.Duration // a turn of the loop
	limit   time.Duration // WakeDelay

	t       int64
	free    int64         // when the broker will have answered all that was asked
	arrive  []int64       // when the answers to requests in flight are there
	asked   []int64       // when these were asked
	rests   int           // with at least one answer
	gained  int           // answers that they brought
	latest  time.Duration // that an answer lay there
	worst   float64       // the same as a share of what round trips took on average
	answers int           // in all
}

func (q *queue) ask(n int) {
	for range n {
		q.free = max(q.free, q.t+int64(q.far)/2) + int64(q.service())
		q.arrive = append(q.arrive, q.free+int64(q.far)/2)
		q.asked = append(q.asked, q.t)
	}
}

// turn is one turn of the loop: rest or sleep, then answers.
func (q *queue) turn() {
	rested := q.rest(q.t, q.step.rest())
	began := q.t
	q.t += int64(rested)
	if rested == 0 {
		q.t = max(q.t, q.arrive[0])
	}
	n := 0
	for n < len(q.arrive) && q.arrive[n] <= q.t {
		if rested > 0 {
			lay := time.Duration(q.t - max(q.arrive[n], began))
			q.latest = max(q.latest, lay)
			q.worst = max(q.worst, float64(lay)/(float64(q.rtt)*1e3))
		}
		n++
	}
	if rested > 0 && n > 0 {
		q.rests++
		q.gained += n
	}
	if n == 0 {
		return
	}
	q.answered(n)
	q.learn(time.Duration(q.t-q.asked[n-1]), q.limit)
	q.arrive, q.asked = q.arrive[n:], q.asked[n:]
	q.answers += n
	q.t += int64(q.busy)
	q.ask(n)
}

// run lasts a second.
func (q *queue) run(callers int) {
	q.busy = 10 * time.Microsecond
	q.ask(callers)
	for q.t < int64(time.Second) {
		q.turn()
	}
}

// steady is a service time that never changes.
func steady(d time.Duration) func() time.Duration { return func() time.Duration { return d } }

func TestRestsBringAnswersTogetherWhereManyWait(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, tt := range []struct {
		name    string
		callers int
		service func() time.Duration
		far     time.Duration
		answers float64 // that a rest brings, at least, on average
	}{
		{"64 callers, 80 µs", 64, steady(80 * time.Microsecond), 0, 10},
		{"64 callers, 80 µs at random", 64, func() time.Duration { return time.Duration(random.ExpFloat64() * float64(80*time.Microsecond)) }, 0, 8},
		{"16 callers, 100 µs", 16, steady(100 * time.Microsecond), 0, 3},
		{"256 callers, 30 µs", 256, steady(30 * time.Microsecond), 0, 14},
		{"64 callers, 5 ms away", 64, steady(25 * time.Microsecond), 5 * time.Millisecond, 8},
	} {
		q := &queue{service: tt.service, far: tt.far, limit: 2 * time.Millisecond}
		q.run(tt.callers)
		if q.rests == 0 || float64(q.gained)/float64(q.rests) < tt.answers {
			t.Errorf("%s: %d rests brought %d answers, want %v each on average", tt.name, q.rests, q.gained, tt.answers)
		}
	}
}

// TestAnAnswerLiesNoLongerThanItsShare: the bound that DESIGN.md gives, whatever the broker does.
func TestAnAnswerLiesNoLongerThanItsShare(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for _, limit := range []time.Duration{300 * time.Microsecond, 700 * time.Microsecond, 10 * time.Millisecond} {
		for name, service := range map[string]func() time.Duration{
			"steady":    steady(80 * time.Microsecond),
			"at random": func() time.Duration { return time.Duration(random.ExpFloat64() * float64(80*time.Microsecond)) },
			"in bursts": func() time.Duration {
				if random.IntN(64) == 0 {
					return 3 * time.Millisecond
				}
				return 40 * time.Microsecond
			},
		} {
			q := &queue{service: service, limit: limit}
			q.run(64)
			if q.rests == 0 {
				t.Errorf("%s: never rested", name)
			}
			if q.latest > limit {
				t.Errorf("%s: an answer lay there for %v, want WakeDelay, %v, at most", name, q.latest, limit)
			}
			// A rest is decided on what the last windows have measured, and is compared with the average of its end.
			if q.worst > 1.5/restShare {
				t.Errorf("%s, %v: an answer lay there for %.2f of a round trip, want 1/%d", name, limit, q.worst, restShare)
			}
		}
	}
}

// TestAQueueThatIsNeverEmptyLosesNoThroughput: with many callers the broker has always something to do.
func TestAQueueThatIsNeverEmptyLosesNoThroughput(t *testing.T) {
	rate := func(limit time.Duration) int {
		q := &queue{service: steady(80 * time.Microsecond), limit: limit}
		q.run(64)
		return q.answers
	}
	if without, with := rate(0), rate(2*time.Millisecond); with < without-64 {
		t.Errorf("%d answers with rests, %d without", with, without)
	}
}

func TestThereIsNoRest(t *testing.T) {
	for _, tt := range []struct {
		name    string
		callers int
		service time.Duration
		far     time.Duration
		limit   time.Duration
	}{
		{"for one caller", 1, 5 * time.Millisecond, 0, time.Second},
		{"for few callers", 6, time.Millisecond, 0, time.Second},
		{"for fast answers", 8, 10 * time.Microsecond, 0, time.Second},
		{"for many fast answers", 256, 4 * time.Microsecond, 0, time.Second},
		{"for many answers from far away", 512, time.Microsecond, 3 * time.Millisecond, time.Second},
		{"where it is not allowed", 64, 80 * time.Microsecond, 0, 0},
		{"where it is forbidden", 64, 80 * time.Microsecond, 0, -1},
		{"where less is allowed than a wake-up costs", 64, 80 * time.Microsecond, 0, minRest - 1},
	} {
		q := &queue{service: steady(tt.service), far: tt.far, limit: tt.limit}
		q.run(tt.callers)
		if q.rests > 0 {
			t.Errorf("%s: %d rests", tt.name, q.rests)
		}
	}
}

func TestTheLeastPatientDecides(t *testing.T) {
	var p patients
	if d := p.least(); d != 0 {
		t.Fatalf("%v are allowed by nobody", d)
	}
	p[stepOf(2*time.Millisecond)].Add(1)
	p[stepOf(800*time.Microsecond)].Add(1)
	p[stepOf(300*time.Microsecond)].Add(1)
	p[stepOf(300*time.Microsecond)].Add(1)
	p[stepOf(300*time.Microsecond)].Add(-1)
	if d := p.least(); d != 300*time.Microsecond {
		t.Errorf("%v, want the 300 µs that one allows", d)
	}
	p[stepOf(300*time.Microsecond)].Add(-1)
	if d := p.least(); d != 800*time.Microsecond {
		t.Errorf("%v, want the 800 µs that the least patient allows now", d)
	}
}

func TestStepsAreALittleLessThanWhatIsAllowed(t *testing.T) {
	last := restStep(0)
	for d := minRest; d < 2*time.Second; d += d / 64 {
		s := stepOf(d)
		if got := s.rest(); got > d || got < d*4/5 || stepOf(got) != s || s < last || s > last+1 {
			t.Fatalf("%v: %v, step %d after %d", d, got, s, last)
		}
		last = s
	}
	if s := stepOf(1<<63 - 1); s != maxRestStep {
		t.Errorf("for ever is step %d, want the last, %d", s, maxRestStep)
	}
}

// TestAConnectionThatSeemedFastGainsPatience: also one whose first answer was there at once, by the clock.
func TestAConnectionThatSeemedFastGainsPatience(t *testing.T) {
	var p patience
	p.learn(-1, time.Second)
	for range 100 {
		p.learn(4*time.Millisecond, time.Second)
	}
	if p.step.rest() < 800*time.Microsecond {
		t.Errorf("%v are allowed where 100 round trips took 4 ms", p.step.rest())
	}
}

// TestALongPollAmongQuickAnswersIsNotTheirMeasure: what comes once does not make the others wait.
func TestALongPollAmongQuickAnswersIsNotTheirMeasure(t *testing.T) {
	var p patience
	for range 100 {
		p.learn(4*time.Millisecond, time.Second)
	}
	for range 100 {
		p.learn(500*time.Millisecond, time.Second)
		if p.step.rest() > 1500*time.Microsecond {
			t.Fatalf("%v are allowed after one long poll, where round trips take 4 ms", p.step.rest())
		}
		for range 20 {
			p.learn(4*time.Millisecond, time.Second)
		}
	}
	for range 100 {
		p.learn(500*time.Millisecond, time.Second)
	}
	if p.step.rest() < 100*time.Millisecond {
		t.Errorf("%v are allowed where all round trips take 500 ms", p.step.rest())
	}
}

func TestLargeAnswersForbidRests(t *testing.T) {
	m := &moderator{}
	at := int64(0)
	window := func(full bool) (d time.Duration) {
		for end := at + int64(restWindow); at < end; at += int64(100 * time.Microsecond) {
			m.answered(1)
			if full {
				m.full()
			}
			d = m.rest(at, 800*time.Microsecond)
		}
		return d
	}
	window(false)
	if window(false) == 0 {
		t.Fatal("does not rest")
	}
	if d := window(true); d != 0 {
		t.Errorf("rests %v though reads fill their buffers", d)
	}
	window(false)
	if window(false) == 0 {
		t.Error("does not rest after the large answers either")
	}
}

// TestALoopThatWasIdleDoesNotRest: what was measured before says nothing.
func TestALoopThatWasIdleDoesNotRest(t *testing.T) {
	m := &moderator{}
	at := int64(0)
	for ; at < int64(4*restWindow); at += int64(100 * time.Microsecond) {
		m.answered(1)
		m.rest(at, 800*time.Microsecond)
	}
	at += int64(time.Second)
	m.answered(1)
	if d := m.rest(at, 800*time.Microsecond); d != 0 {
		t.Errorf("rests %v after a second with one answer", d)
	}
}
