package hold

import (
	"maps"
	"time"

	"kafkaio/stress/internal/load"
)

// Progress is what a run looks like from outside while it goes on.
type Progress struct {
	Phase   load.Phase
	Open    int // connections, those that are being opened included
	Wanted  int
	Pending int           // requests that have not ended
	Asking  time.Duration // since asking began
	OK      uint64
	Errors  map[string]uint64

	P50, P99 time.Duration // from the moment when requests were due, since the last look
}

// Progress takes a look. One goroutine at a time.
func (h *Holder) Progress() Progress {
	p := Progress{Phase: load.Phase(h.phase.Load()), Open: int(h.open.Load()), Wanted: h.cfg.connections()}
	if p.Phase == load.Connecting {
		return p
	}
	p.Asking = time.Duration(time.Now().UnixNano() - h.began.Load())
	p.Pending = int(h.pending.Load())
	if p.Phase == load.Sending {
		p.Pending-- // Ask's
	}
	t := h.tally
	t.mu.Lock()
	defer t.mu.Unlock()
	p.OK, p.Errors = t.ok, maps.Clone(t.errors)
	p.P50, p.P99 = t.recent.Quantile(0.5), t.recent.Quantile(0.99)
	t.recent.Reset()
	return p
}
