package loop

import "sync/atomic"

// gauge counts pooled objects that are out. Two atomic additions a request are too dear for the hot path, so that only race builds,
// which the tests run under, count; elsewhere the gauge always reads 0.
type gauge struct{ n atomic.Int64 }

func (g *gauge) add(d int64) {
	if counting {
		g.n.Add(d)
	}
}

func (g *gauge) value() int64 { return g.n.Load() }
