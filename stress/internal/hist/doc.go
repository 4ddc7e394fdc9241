// Package hist counts latencies in fixed memory.
//
//	h := hist.New(hist.Fine)
//	h.Record(3 * time.Millisecond)
//	fmt.Println(h.Quantile(0.99), h.Max())
//
// # Model
//
// A Histogram is for one goroutine at a time. Many of them record at once into
// one each, and are merged when somebody looks: merging loses nothing.
//
// # Limits
//
// Latencies from 1 µs to 60 s are kept to the precision of the histogram,
// shorter ones count as 1 µs. Longer ones are counted as over range: they take part in every
// quantile, with the longest of them as their value, and are never lost. Mean
// and maximum are exact. A fine histogram takes about 140 KB, a coarse one about 20 KB.
package hist
