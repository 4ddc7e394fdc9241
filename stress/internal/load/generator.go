package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"kafkaio/kio"
)

// Phase is what a generator is doing.
type Phase int32

// The phases, in their order.
const (
	Connecting Phase = iota
	Sending
	Draining
	Closed
)

// String names the phase.
func (p Phase) String() string {
	switch p {
	case Connecting:
		return "connecting"
	case Sending:
		return "sending"
	case Draining:
		return "draining"
	case Closed:
		return "closed"
	default:
		return fmt.Sprintf("Phase(%d)", int(p))
	}
}

// End is why sending ended.
type End string

// The ends.
const (
	EndDuration    End = "duration"
	EndInterrupted End = "interrupted"
	EndDied        End = "all connections died"
	EndNotBegun    End = "not begun"
)

// Generator is one load. Open, Drive and Close are called once each, in this order, by one goroutine; Progress by another.
type Generator struct {
	// Immutable after New.
	cfg      Config
	engine   *kio.Engine
	shards   []*shard
	drainFor time.Duration

	// Owned by the goroutine of Open, Drive and Close.
	conns   []*conn // those that were opened
	started time.Time
	sending time.Duration
	end     End
	idle    chan struct{} // closed when no slot is active any more

	// Atomic.
	phase    atomic.Int32
	began    atomic.Int64 // when sending began, in nanoseconds since started
	opened   atomic.Int64
	unopened atomic.Int64
	active   atomic.Int64 // slots that have not ended
	inFlight atomic.Int64 // of these, those that have begun
	died     atomic.Int64 // connections
	surplus  atomic.Int64 // ends of requests that had ended before
	stopping atomic.Bool  // no new requests
	cut      atomic.Bool  // the drain is over: what ends now is unanswered

	mu       sync.Mutex
	unopens  []map[string]uint64 // by broker and class
	firstErr error               // of the dials

	look look
}

// New starts the event loops of a load. Close must be called.
func New(cfg Config) (*Generator, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	engine, err := kio.NewEngine(kio.EngineConfig{Logger: cfg.Kio.Logger})
	if err != nil {
		return nil, err
	}
	g := &Generator{
		cfg:     cfg.withDefaults(),
		engine:  engine,
		started: time.Now(),
		end:     EndNotBegun,
		idle:    make(chan struct{}),
		unopens: make([]map[string]uint64, len(cfg.Brokers)),
		look:    newLook(),
	}
	g.cfg.Kio.Engine = engine
	g.drainFor = cfg.Timeout + drainGrace
	for range engine.Loops() {
		g.shards = append(g.shards, newShard(len(cfg.Brokers)))
	}
	return g, nil
}

// Drive sends on all connections until the duration is over, ctx ends or all connections have died. It returns when no new request will be sent;
// those in flight are Close's.
func (g *Generator) Drive(ctx context.Context) {
	began := time.Now()
	g.began.Store(int64(began.Sub(g.started)))
	g.phase.Store(int32(Sending))
	g.active.Store(int64(len(g.conns) * g.cfg.InFlight))
	var over <-chan time.Time
	if g.cfg.Duration > 0 {
		timer := time.NewTimer(g.cfg.Duration)
		defer timer.Stop()
		over = timer.C
	}
	for _, c := range g.conns {
		now := time.Now()
		if ctx.Err() != nil || g.cfg.Duration > 0 && now.Sub(began) >= g.cfg.Duration {
			g.stopping.Store(true)
		}
		c.begin(now)
	}
	select {
	case <-over:
		g.end = EndDuration
	case <-ctx.Done():
		g.end = EndInterrupted
	case <-g.idle:
		g.end = EndDied
		if ctx.Err() != nil {
			g.end = EndInterrupted
		}
	}
	g.stopping.Store(true)
	g.sending = time.Since(began)
}

// retire counts slots out.
func (g *Generator) retire(slots int) {
	if g.active.Add(-int64(slots)) == 0 {
		close(g.idle)
	}
}

// Close waits for the answers that are due, up to the timeout of a request, closes all connections, ends the event loops, and counts.
func (g *Generator) Close() *Result {
	drained := g.drain()
	died := make([]map[string]uint64, len(g.cfg.Brokers))
	for _, c := range g.conns {
		if err := c.broker.Err(); err != nil {
			count(&died[c.target], classifyEnd(err))
		}
	}
	g.cut.Store(true)
	_ = g.engine.Close() // fails only on a loop's goroutine
	if g.end != EndNotBegun {
		select {
		case <-g.idle:
		case <-time.After(patience): // broken promises of the library: Result.Check tells
		}
	}
	g.phase.Store(int32(Closed))
	return g.result(died, drained)
}

// drain waits until nothing is in flight or all deadlines have passed, and says how long that took.
func (g *Generator) drain() time.Duration {
	if g.end == EndNotBegun {
		return 0
	}
	g.phase.Store(int32(Draining))
	began := time.Now()
	timer := time.NewTimer(g.drainFor)
	defer timer.Stop()
	select {
	case <-g.idle:
	case <-timer.C:
	}
	return time.Since(began)
}

func count(classes *map[string]uint64, class string) {
	if *classes == nil {
		*classes = make(map[string]uint64)
	}
	(*classes)[class]++
}
