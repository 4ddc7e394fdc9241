package hold

import (
	"context"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/internal/load"
)

// Holder is one run. Open, Ask and Close are called once each, in this order, by one goroutine; Progress by another.
type Holder struct {
	// Immutable after New.
	cfg     Config
	engine  *kio.Engine
	request []byte
	tally   *tally
	calls   sync.Pool     // of *call
	idle    chan struct{} // closed when nothing is due any more
	stalled time.Duration // see stalledAfter

	// over is a context that has ended: who has no connection now is not waited for, or one broker would make the requests to all others late.
	over context.Context

	// Owned by the goroutine of Open, Ask and Close.
	cluster *kio.Cluster // nil until Open
	result  Result

	// Atomic.
	phase   atomic.Int32
	open    atomic.Int64 // connections, as last seen
	began   atomic.Int64 // when asking began, in Unix nanoseconds
	pending atomic.Int64 // requests that have not ended, and one for Ask
	cut     atomic.Bool  // the drain is over: what ends now is unanswered
}

// New starts the event loops of a run. Close must be called.
func New(cfg Config) (*Holder, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	engine, err := kio.NewEngine(kio.EngineConfig{Logger: cfg.Kio.Logger})
	if err != nil {
		return nil, err
	}
	over, cancel := context.WithDeadline(context.Background(), time.Unix(0, 0))
	cancel()
	h := &Holder{
		cfg: cfg.withDefaults(), engine: engine, request: request(cfg.Kio.ClientID), tally: newTally(), idle: make(chan struct{}),
		stalled: stalledAfter, over: over,
	}
	h.cfg.Kio.Engine = engine
	h.result = Result{End: load.EndNotBegun, Brokers: len(cfg.Addrs), Wanted: cfg.connections(), Every: cfg.Every}
	return h, nil
}

// Ask asks until all that is due in the duration has been sent, or ctx ends; senders that cannot keep up get the timeout of a request to catch up. Requests in
// flight when it returns are Close's.
func (h *Holder) Ask(ctx context.Context) {
	s := schedule{begin: time.Now(), every: h.cfg.Every, brokers: len(h.cfg.Addrs), connections: h.cfg.connections()}
	h.began.Store(s.begin.UnixNano())
	h.pending.Store(1)
	h.phase.Store(int32(load.Sending))
	cpu, known := cpuTime()
	delay, delayKnown := runDelay()
	due := int64(math.MaxInt64)
	asking, cancel := context.WithCancel(ctx)
	if h.cfg.Duration > 0 {
		due = s.before(h.cfg.Duration)
		timer := time.AfterFunc(h.cfg.Duration+h.cfg.Timeout, cancel)
		defer timer.Stop()
	}
	var senders, observer sync.WaitGroup
	for first := range h.cfg.Senders {
		senders.Go(func() { h.send(asking, s, int64(first), due) })
	}
	observer.Go(func() { h.observe(asking) })
	senders.Wait()
	cancel()
	observer.Wait()
	h.result.Sending = time.Since(s.begin)
	if h.result.CPUKnown = known; known {
		now, _ := cpuTime()
		h.result.CPU = now - cpu
	}
	if delayKnown {
		now, _ := runDelay()
		h.result.Delay = max(now-delay, 0)
	}
	h.result.Asked = look()
	h.result.End = load.EndDuration
	if ctx.Err() != nil {
		h.result.End = load.EndInterrupted
	} else {
		h.result.Skipped = uint64(due) - h.tally.sentSoFar()
	}
	h.retire()
}

// send is one of the senders: every Senders-th request is its, of those that are due. Ask starts it and waits for it; the last request ends it, or ctx.
func (h *Holder) send(ctx context.Context, s schedule, first, all int64) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for k := first; k < all; k += int64(h.cfg.Senders) {
		due := s.due(k)
		if wait := time.Until(due); wait > 0 {
			timer.Reset(wait)
			select {
			case <-timer.C:
			case <-ctx.Done():
				return
			}
		}
		if ctx.Err() != nil {
			return
		}
		h.ask(s.node(k), due)
	}
}

// ask sends one request.
func (h *Holder) ask(node int32, due time.Time) {
	h.tally.send()
	h.pending.Add(1)
	b, err := h.cluster.Broker(h.over, node, kio.ClassShort)
	if err == nil {
		c := h.newCall()
		c.due, c.submitted = due, time.Now()
		if err = b.Submit(h.request, c.submitted.Add(h.cfg.Timeout), c.end); err == nil {
			return
		}
		h.calls.Put(c)
	}
	h.tally.failure(classify(err))
	h.retire()
}

// observe looks at the process. Ask starts it, ends it by ctx and waits for it.
func (h *Holder) observe(ctx context.Context) {
	ticker := time.NewTicker(observeInterval)
	defer ticker.Stop()
	var w watch
	for {
		select {
		case <-ticker.C:
			w.see()
			h.open.Store(int64(h.engine.Conns()))
		case <-ctx.Done():
			h.result.PeakResident, h.result.PeakGoroutines, h.result.MedianGoroutines = w.resident, w.goroutines, w.median()
			return
		}
	}
}

// retire counts out a request that has ended.
func (h *Holder) retire() {
	if h.pending.Add(-1) == 0 {
		close(h.idle)
	}
}

// Close waits for the answers that are due, up to the timeout of a request, closes all connections, ends the event loops, and counts.
func (h *Holder) Close() *Result {
	asked := h.result.End != load.EndNotBegun
	if asked {
		h.drain()
	}
	if h.cluster != nil {
		h.result.see(h.cluster.Stats())
		h.result.Gate = h.engine.DialStats()
	}
	h.cut.Store(true)
	if h.cluster != nil {
		_ = h.cluster.Close() // fails only on a loop's goroutine
	}
	_ = h.engine.Close() // likewise
	if asked {
		select {
		case <-h.idle:
		case <-time.After(patience): // broken promises of the library: Result.Check tells
		}
	}
	h.phase.Store(int32(load.Closed))
	h.result.count(h.tally)
	return &h.result
}

// drain waits until nothing is in flight or all deadlines have passed.
func (h *Holder) drain() {
	h.phase.Store(int32(load.Draining))
	began := time.Now()
	timer := time.NewTimer(h.cfg.Timeout + drainGrace)
	defer timer.Stop()
	select {
	case <-h.idle:
	case <-timer.C:
	}
	h.result.Drain = time.Since(began)
}
