package hold

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/internal/load"
)

// Open connects, and weighs the process before and after. It fails where ctx ends first or no broker at all could be reached; where some are out of
// reach, the others are used.
func (h *Holder) Open(ctx context.Context) error {
	h.result.Before = weigh()
	h.result.Started = time.Now()
	cluster, err := kio.OpenCluster(ctx, h.cfg.Addrs, h.cfg.Kio)
	if err != nil {
		return err
	}
	h.cluster = cluster
	if err := h.awaitConnections(ctx); err != nil {
		return err
	}
	h.result.Connecting = time.Since(h.result.Started)
	s := cluster.Stats()
	if h.result.Opened = s.Conns; s.Conns == 0 {
		return fmt.Errorf("none of %d connections could be opened: %w", h.cfg.connections(), lastError(s))
	}
	h.result.Idle = weigh()
	h.result.Idle.Goroutines = h.fewest(ctx)
	return context.Cause(ctx)
}

// awaitConnections returns when all are open, or no more come.
func (h *Holder) awaitConnections(ctx context.Context) error {
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	var dialling watch
	defer func() { h.result.PeakDialling = dialling.goroutines }()
	open, grown := 0, time.Now()
	for {
		dialling.see()
		n := h.engine.Conns() // cheap; it counts those that are still being opened too
		if n > open {
			open, grown = n, time.Now()
		}
		h.open.Store(int64(n))
		if open >= h.cfg.connections() && h.cluster.Stats().Conns >= h.cfg.connections() {
			return nil
		}
		if time.Since(grown) > h.stalled {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// fewest is how many goroutines stay: the least that is seen in a second, or as many as before at once. Those of the last attempts to connect and of timers
// that run out are gone in a moment.
func (h *Holder) fewest(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	least := runtime.NumGoroutine()
	for least > h.result.Before.Goroutines {
		select {
		case <-ticker.C:
			least = min(least, runtime.NumGoroutine())
		case <-ctx.Done():
			return least
		}
	}
	return least
}

// lastError is why some broker cannot be reached.
func lastError(s kio.ClusterStats) error {
	for _, n := range s.Nodes {
		if n.LastError != nil {
			return n.LastError
		}
	}
	return errSilent
}

var errSilent = fmt.Errorf("no attempt has ended yet, %v after the last sign of life", stalledAfter)

// down is the brokers without a connection, by the class of the last attempt's failure.
func down(s kio.ClusterStats) map[string]uint64 {
	classes := make(map[string]uint64)
	for _, n := range s.Nodes {
		switch {
		case len(n.Conns) > 0:
		case n.LastError != nil:
			classes[load.Classify(n.LastError)]++
		default:
			classes[ClassNotConnected]++
		}
	}
	return classes
}
