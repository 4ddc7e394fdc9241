package drive

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"kafkaio/stress/peers/internal/peer"
)

const (
	// quietFor is how long a client must have done next to nothing for its requests to count as sent, and quietLimit how long that may take. Guessed:
	// 1,000 requests take some tens of milliseconds.
	quietFor   = 400 * time.Millisecond
	quietLimit = 20 * time.Second

	// quietShare is what next to nothing is, in seconds of processor time a second: the runtime and the peers' own tickers take some.
	quietShare = 0.02
)

// ends counts the requests of a busy work that have ended: none should while it is weighed. A nil one has none. Safe for concurrent use.
type ends struct {
	n     atomic.Int64
	first atomic.Pointer[error]
}

func (e *ends) end(err error) {
	e.first.CompareAndSwap(nil, &err)
	e.n.Add(1)
}

// err says that some have ended.
func (e *ends) err() error {
	if e == nil || e.n.Load() == 0 {
		return nil
	}
	if first := *e.first.Load(); first != nil {
		return fmt.Errorf("%d requests ended before they were weighed, the first with: %w", e.n.Load(), first)
	}
	return fmt.Errorf("%d requests ended before they were weighed, the first with an answer", e.n.Load())
}

// occupy sends a request with each caller or pump of a client, and returns when they are on their way and nothing moves any more.
func occupy(ctx context.Context, c *peer.Client, callers int) (*ends, error) {
	if n := len(c.Callers) + len(c.Pumps); n != callers {
		return nil, fmt.Errorf("the client has %d callers, want %d: %w", n, callers, peer.ErrUnavailable)
	}
	e := new(ends)
	for _, call := range c.Callers {
		go func() { e.end(call()) }() // ends with the process: its request is not answered
	}
	for _, p := range c.Pumps {
		if err := p(e.end)(); err != nil {
			return nil, err
		}
	}
	return e, quiet(ctx)
}

// quiet waits until the process does next to nothing.
func quiet(ctx context.Context) error {
	ticker := time.NewTicker(quietFor)
	defer ticker.Stop()
	for begin := time.Now(); time.Since(begin) < quietLimit; {
		cpu := cpuSeconds()
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if cpuSeconds()-cpu < quietShare*quietFor.Seconds() {
			return nil
		}
	}
	return fmt.Errorf("the client is still at work %v after it was given its requests", quietLimit)
}
