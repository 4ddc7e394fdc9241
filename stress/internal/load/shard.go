package load

import (
	"sync"
	"time"

	"kafkaio/stress/internal/hist"
	"kafkaio/stress/internal/workload"
)

// tally counts how requests ended.
type tally struct {
	ok         uint64
	failed     uint64
	unanswered uint64
	received   uint64            // bytes of answers, size prefixes included
	errors     map[string]uint64 // failed ones by class
	latency    *hist.Histogram   // of the successes
}

func newTally() tally { return tally{latency: hist.New(hist.Fine)} }

func (t *tally) success(latency time.Duration, bytes uint64) {
	t.ok++
	t.received += bytes
	t.latency.Record(latency)
}

func (t *tally) failure(class string, bytes uint64) {
	t.failed++
	t.received += bytes
	if t.errors == nil {
		t.errors = make(map[string]uint64)
	}
	t.errors[class]++
}

func (t *tally) merge(from *tally) {
	t.ok += from.ok
	t.failed += from.failed
	t.unanswered += from.unanswered
	t.received += from.received
	t.latency.Merge(from.latency)
	for class, n := range from.errors {
		if t.errors == nil {
			t.errors = make(map[string]uint64)
		}
		t.errors[class] += n
	}
}

// shard takes the results of some of the connections. Safe for concurrent use.
type shard struct {
	mu      sync.Mutex
	brokers []tally
	apis    [workload.NumAPIs]tally
	recent  *hist.Histogram // successes since the last look
}

func newShard(brokers int) *shard {
	s := &shard{recent: hist.New(hist.Coarse)}
	for range brokers {
		s.brokers = append(s.brokers, newTally())
	}
	for a := range s.apis {
		s.apis[a] = newTally()
	}
	return s
}

func (s *shard) success(broker int, a workload.API, latency time.Duration, bytes uint64) {
	s.mu.Lock()
	s.brokers[broker].success(latency, bytes)
	s.apis[a].success(latency, bytes)
	s.recent.Record(latency)
	s.mu.Unlock()
}

func (s *shard) failure(broker int, a workload.API, class string, bytes uint64) {
	s.mu.Lock()
	s.brokers[broker].failure(class, bytes)
	s.apis[a].failure(class, bytes)
	s.mu.Unlock()
}

func (s *shard) unanswered(broker int, a workload.API) {
	s.mu.Lock()
	s.brokers[broker].unanswered++
	s.apis[a].unanswered++
	s.mu.Unlock()
}

// look adds what is of interest while a load runs, and begins a new interval.
func (s *shard) look(p *Progress, recent *hist.Histogram) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for a := range s.apis {
		t := &s.apis[a]
		p.OK += t.ok
		p.Failed += t.failed
		for class, n := range t.errors {
			p.Errors[class] += n
		}
	}
	recent.Merge(s.recent)
	s.recent.Reset()
}
