package work

import "time"

// Durations are those of one measurement.
type Durations struct {
	WarmUp time.Duration // done but not counted
	Window time.Duration
}

// Result is what one child process measured, as one line of JSON. A field
// that does not apply is 0.
type Result struct {
	Requests   uint64  `json:"requests"`
	Seconds    float64 `json:"seconds"`
	CPUSeconds float64 `json:"cpu_seconds"` // user and system, of the whole process

	// Latency of the sampled requests: all of them up to 16 callers, one
	// of 8 beyond.
	Samples uint64  `json:"samples"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`
	Max     float64 `json:"max_us"`

	Allocs     uint64 `json:"allocs"` // in the window, all goroutines
	AllocBytes uint64 `json:"alloc_bytes"`
	GCs        uint32 `json:"gcs"`

	Conns       int   `json:"conns"`
	Goroutines  int   `json:"goroutines"`       // more than before the connections were opened
	MemoryBytes int64 `json:"heap_stack_bytes"` // heap and stacks in use, likewise
	LiveBytes   int64 `json:"live_bytes"`       // objects on the heap alone, likewise
	RSSBefore   int64 `json:"rss_before_bytes"`
	RSSAfter    int64 `json:"rss_after_bytes"`

	// AnswerBytes is the size of an answer with its prefix, where known.
	AnswerBytes int `json:"answer_bytes"`

	// Error replaces everything else. Unavailable: it would be the same
	// in every round.
	Error       string `json:"error,omitempty"`
	Unavailable bool   `json:"unavailable,omitempty"`
}

// Metric is a number made from a result.
type Metric struct {
	Name string
	Unit string
	// More is true where more is better.
	More bool
	Of   func(Result) float64
}

func per(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

// The metrics that rows and targets refer to.
var (
	Rate    = Metric{"rate", "k/s", true, func(r Result) float64 { return per(float64(r.Requests), r.Seconds) / 1e3 }}
	P50     = Metric{"p50", "µs", false, func(r Result) float64 { return r.P50 }}
	P99     = Metric{"p99", "µs", false, func(r Result) float64 { return r.P99 }}
	P999    = Metric{"p99.9", "µs", false, func(r Result) float64 { return r.P999 }}
	CPU     = Metric{"CPU/request", "µs", false, func(r Result) float64 { return per(r.CPUSeconds*1e6, float64(r.Requests)) }}
	CPUMiB  = Metric{"CPU/MiB", "µs", false, func(r Result) float64 { return per(r.CPUSeconds*1e6, float64(r.Requests)) }}
	CPUConn = Metric{"CPU/conn", "µs", false, func(r Result) float64 { return per(r.CPUSeconds*1e6, float64(r.Conns)) }}
	Opened  = Metric{"opened", "/s", true, func(r Result) float64 { return per(float64(r.Conns), r.Seconds) }}
	Allocs  = Metric{"allocs/request", "", false, func(r Result) float64 { return per(float64(r.Allocs), float64(r.Requests)) }}
	Memory  = Metric{"heap+stack/conn", "KiB", false, func(r Result) float64 { return per(float64(r.MemoryBytes)/1024, float64(r.Conns)) }}
	Live    = Metric{"live heap/conn", "KiB", false, func(r Result) float64 { return per(float64(r.LiveBytes)/1024, float64(r.Conns)) }}
	RSS     = Metric{"RSS/conn", "KiB", false, func(r Result) float64 { return per(float64(r.RSSAfter-r.RSSBefore)/1024, float64(r.Conns)) }}
	Routine = Metric{"goroutines/conn", "", false, func(r Result) float64 { return per(float64(r.Goroutines), float64(r.Conns)) }}
)
