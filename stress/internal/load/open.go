package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"kafkaio/kio"
)

// Open connects, some at a time. It fails where ctx ends first or no connection at all could be opened; some that fail are counted and
// the others used.
func (g *Generator) Open(ctx context.Context) error {
	conns := make([]*conn, g.cfg.Connections)
	var index atomic.Int64
	var workers sync.WaitGroup
	for range min(g.cfg.Dials, g.cfg.Connections) {
		workers.Add(1)
		go g.dialWorker(ctx, conns, &index, &workers)
	}
	workers.Wait()
	for _, c := range conns {
		if c != nil {
			g.conns = append(g.conns, c)
		}
	}
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if len(g.conns) == 0 {
		return fmt.Errorf("none of %d connections could be opened: %w", g.cfg.Connections, g.firstErr)
	}
	return nil
}

// dialWorker opens connections until there are none left to open. Started by Open, which waits for it; ends early with ctx.
func (g *Generator) dialWorker(ctx context.Context, conns []*conn, index *atomic.Int64, workers *sync.WaitGroup) {
	defer workers.Done()
	for ctx.Err() == nil {
		i := int(index.Add(1)) - 1
		if i >= len(conns) {
			return
		}
		target := i % len(g.cfg.Brokers)
		b, err := kio.DialBroker(ctx, g.cfg.Brokers[target].Addr, g.cfg.Kio)
		if err != nil {
			g.unopen(target, err)
			continue
		}
		c := &conn{broker: b, target: target, shard: g.shards[i%len(g.shards)]}
		c.addSlots(g, i)
		conns[i] = c
		g.opened.Add(1)
	}
}

// unopen counts a connection that could not be opened.
func (g *Generator) unopen(target int, err error) {
	g.unopened.Add(1)
	g.mu.Lock()
	defer g.mu.Unlock()
	count(&g.unopens[target], Classify(err))
	if g.firstErr == nil {
		g.firstErr = err
	}
}
