package load

import (
	"time"

	"kafkaio/stress/internal/hist"
)

// Progress is what a load looks like from outside while it runs.
type Progress struct {
	Phase    Phase
	Opened   int // connections
	Unopened int // connections that could not be opened
	Wanted   int // connections
	Died     int // connections, noticed so far
	InFlight int // requests

	Sending time.Duration // since sending began
	OK      uint64        // since then
	Failed  uint64        // since then
	Errors  map[string]uint64

	// Of the time since the last look.
	Rate     float64 // successes per second
	P50, P99 time.Duration
}

// look is what Progress remembers from one time to the next.
type look struct {
	at     time.Time
	ok     uint64
	recent *hist.Histogram
}

func newLook() look { return look{at: time.Now(), recent: hist.New(hist.Coarse)} }

// Progress takes a look. One goroutine at a time.
func (g *Generator) Progress() Progress {
	now := time.Now()
	p := Progress{
		Phase:    Phase(g.phase.Load()),
		Opened:   int(g.opened.Load()),
		Unopened: int(g.unopened.Load()),
		Wanted:   g.cfg.Connections,
		Died:     int(g.died.Load()),
		InFlight: int(g.inFlight.Load()),
		Errors:   make(map[string]uint64),
	}
	began := g.started.Add(time.Duration(g.began.Load()))
	if p.Phase != Connecting {
		p.Sending = now.Sub(began)
	}
	g.look.recent.Reset()
	for _, s := range g.shards {
		s.look(&p, g.look.recent)
	}
	since := g.look.at
	if began.After(since) {
		since = began // before which there was nothing to count
	}
	if d := now.Sub(since).Seconds(); d > 0 {
		p.Rate = float64(p.OK-g.look.ok) / d
	}
	p.P50, p.P99 = g.look.recent.Quantile(0.5), g.look.recent.Quantile(0.99)
	g.look.at, g.look.ok = now, p.OK
	return p
}
