// Package drive keeps a client busy for a while and measures it: closed loop,
// each caller with one request in flight.
package drive

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"golang.org/x/sys/unix"

	"kafkaio/stress/peers/internal/work"
)

// Phases of a measurement.
const (
	warming int32 = iota
	measuring
	stopping
)

const (
	// manyCallers is the number of callers beyond which only one request
	// of sampleOf is timed: reading the clock for each would cost some
	// percents of what is measured.
	manyCallers = 16
	sampleOf    = 8

	// shards spreads the histograms: 31 KB each, so not one a caller.
	shards = 8

	// Latencies are recorded in steps of 100 ns up to a minute, with two
	// digits.
	latencyUnit = 100 * time.Nanosecond
	maxLatency  = time.Minute
)

// window is what the callers share.
type window struct {
	phase  atomic.Int32
	every  uint32 // one request of every is timed
	counts []counter
	shards [shards]shard
	failed atomic.Pointer[error]
}

// counter belongs to one caller, and to one cache line.
type counter struct {
	n atomic.Uint64
	_ [56]byte
}

type shard struct {
	mu   sync.Mutex // guards hist
	hist *hdrhistogram.Histogram
}

func newWindow(callers int) *window {
	w := &window{every: 1, counts: make([]counter, callers)}
	if callers > manyCallers {
		w.every = sampleOf
	}
	for i := range w.shards {
		w.shards[i].hist = hdrhistogram.New(1, int64(maxLatency/latencyUnit), 2)
	}
	return w
}

// record adds a latency while the window is open.
func (w *window) record(caller int, took time.Duration) {
	if w.phase.Load() != measuring {
		return
	}
	s := &w.shards[caller%shards]
	s.mu.Lock()
	// More than a minute is recorded as a minute.
	_ = s.hist.RecordValue(min(int64(took/latencyUnit), int64(maxLatency/latencyUnit)))
	s.mu.Unlock()
}

// fail keeps the first error and ends the measurement.
func (w *window) fail(err error) {
	w.failed.CompareAndSwap(nil, &err)
	w.phase.Store(stopping)
}

func (w *window) requests() uint64 {
	var n uint64
	for i := range w.counts {
		n += w.counts[i].n.Load()
	}
	return n
}

// measure warms up, opens the window and closes it again.
func (w *window) measure(d work.Durations) work.Result {
	w.sleep(d.WarmUp)
	before := take()
	requests, cpu, begin := w.requests(), cpuSeconds(), time.Now()
	w.phase.CompareAndSwap(warming, measuring)
	w.sleep(d.Window)
	r := work.Result{Seconds: time.Since(begin).Seconds()}
	r.CPUSeconds = cpuSeconds() - cpu
	r.Requests = w.requests() - requests
	w.phase.Store(stopping)
	after := take()
	r.Allocs, r.AllocBytes = after.allocs-before.allocs, after.bytes-before.bytes
	r.GCs = after.gcs - before.gcs
	r.Goroutines = after.goroutines
	r.MemoryBytes, r.LiveBytes = after.memory, after.live
	r.RSSBefore, r.RSSAfter = before.rss, after.rss

	all := w.shards[0].hist
	for i := range w.shards {
		w.shards[i].mu.Lock()
		if i > 0 {
			all.Merge(w.shards[i].hist)
		}
		w.shards[i].mu.Unlock()
	}
	us := func(v int64) float64 { return float64(v) * float64(latencyUnit) / 1e3 }
	r.Samples = uint64(all.TotalCount())
	r.P50, r.P99 = us(all.ValueAtQuantile(50)), us(all.ValueAtQuantile(99))
	r.P999, r.Max = us(all.ValueAtQuantile(99.9)), us(all.Max())
	if err := w.failed.Load(); err != nil {
		r.Error = (*err).Error()
	}
	return r
}

// sleep waits in steps so that a failure ends it.
func (w *window) sleep(d time.Duration) {
	for end := time.Now().Add(d); w.phase.Load() != stopping; {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, 100*time.Millisecond))
	}
}

// usage is a snapshot of the process.
type usage struct {
	allocs, bytes uint64
	gcs           uint32
	goroutines    int
	memory        int64 // heap and stacks in use
	live          int64 // objects on the heap
	rss           int64
}

func take() usage {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return usage{
		allocs: m.Mallocs, bytes: m.TotalAlloc, gcs: m.NumGC, goroutines: runtime.NumGoroutine(),
		memory: int64(m.HeapInuse + m.StackInuse), live: int64(m.HeapAlloc), rss: residentBytes(),
	}
}

// cpuSeconds is user and system time of the process.
func cpuSeconds() float64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
