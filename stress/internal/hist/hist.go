package hist

import (
	"math"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range that is kept to the precision; see the package comment for what is outside of it.
const (
	lowest  = time.Microsecond
	highest = 60 * time.Second
)

// Precision is the number of significant decimal digits.
type Precision int

// The precisions. Fine is for results, Coarse for what is looked at once and forgotten.
const (
	Coarse Precision = 2
	Fine   Precision = 3
)

// Histogram is a set of latencies. Use [New]. One goroutine at a time.
type Histogram struct {
	counts *hdrhistogram.Histogram // in units of lowest
	count  uint64                  // over range ones included
	over   uint64
	max    time.Duration
	sum    time.Duration
}

// New returns an empty histogram.
func New(p Precision) *Histogram {
	return &Histogram{counts: hdrhistogram.New(1, int64(highest/lowest), int(p))}
}

// Record adds a latency. Negative ones count as none.
func (h *Histogram) Record(d time.Duration) {
	d = max(d, 0)
	h.count++
	h.sum += d
	h.max = max(h.max, d)
	units := max(int64((d+lowest/2)/lowest), 1)
	if d > highest || h.counts.RecordValue(units) != nil {
		h.over++
	}
}

// Merge adds all that from holds, which must have the same precision; from stays as it is.
func (h *Histogram) Merge(from *Histogram) {
	if dropped := h.counts.Merge(from.counts); dropped > 0 {
		panic("hist: merged histograms of different ranges")
	}
	h.count += from.count
	h.over += from.over
	h.sum += from.sum
	h.max = max(h.max, from.max)
}

// Reset forgets everything and keeps the memory.
func (h *Histogram) Reset() {
	h.counts.Reset()
	h.count, h.over, h.sum, h.max = 0, 0, 0, 0
}

// Count is the number of latencies recorded.
func (h *Histogram) Count() uint64 { return h.count }

// OverRange is how many of them were longer than 60 s.
func (h *Histogram) OverRange() uint64 { return h.over }

// Max is the longest, exactly; 0 where there is none.
func (h *Histogram) Max() time.Duration { return h.max }

// Mean is the exact mean; 0 where there is none.
func (h *Histogram) Mean() time.Duration {
	if h.count == 0 {
		return 0
	}
	return time.Duration(float64(h.sum) / float64(h.count))
}

// Quantile is the latency that the share q of all, from 0 to 1, do not exceed, to the precision of the histogram; 0 where there is none.
func (h *Histogram) Quantile(q float64) time.Duration {
	if h.count == 0 {
		return 0
	}
	rank := uint64(math.Ceil(q * float64(h.count)))
	inRange := h.count - h.over
	if rank > inRange || q >= 1 {
		return h.max
	}
	units := h.counts.ValueAtQuantile(100 * float64(rank) / float64(inRange))
	return min(time.Duration(units)*lowest, h.max)
}
