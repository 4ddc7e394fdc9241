package hold

import (
	"sync"
	"time"

	"kafkaio/stress/internal/hist"
)

// tally counts how requests ended. Safe for concurrent use.
type tally struct {
	mu         sync.Mutex
	sent       uint64
	ok         uint64
	failed     uint64
	unanswered uint64
	errors     map[string]uint64 // failed ones by class
	fromDue    *hist.Histogram   // of the successes
	fromSubmit *hist.Histogram   // of the successes
	recent     *hist.Histogram   // fromDue since the last look
}

func newTally() *tally {
	return &tally{
		errors: make(map[string]uint64), fromDue: hist.New(hist.Fine), fromSubmit: hist.New(hist.Fine), recent: hist.New(hist.Coarse),
	}
}

func (t *tally) send() {
	t.mu.Lock()
	t.sent++
	t.mu.Unlock()
}

func (t *tally) sentSoFar() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent
}

func (t *tally) success(fromDue, fromSubmit time.Duration) {
	t.mu.Lock()
	t.ok++
	t.fromDue.Record(fromDue)
	t.fromSubmit.Record(fromSubmit)
	t.recent.Record(fromDue)
	t.mu.Unlock()
}

func (t *tally) failure(class string) {
	t.mu.Lock()
	t.failed++
	t.errors[class]++
	t.mu.Unlock()
}

func (t *tally) cut() {
	t.mu.Lock()
	t.unanswered++
	t.mu.Unlock()
}
