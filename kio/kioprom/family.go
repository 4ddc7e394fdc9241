package kioprom

import (
	"math"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// metric is one line of a table: a name without its prefix, a help text, and how to read the value from a snapshot S. A name that ends in _total is a
// counter, any other a gauge. NaN means that there is nothing to tell: no series.
type metric[S any] struct {
	name, help string
	value      func(s *S) float64
}

func isCounter(name string) bool { return strings.HasSuffix(name, "_total") }

// family is a metric with its descriptor. Immutable.
type family[S any] struct {
	metric[S]
	desc *prometheus.Desc
}

// families makes descriptors of a table. They have the same labels, so that the pairs of one serve all.
func families[S any](prefix string, table []metric[S], labels []string, constant prometheus.Labels) []family[S] {
	made := make([]family[S], len(table))
	for i, m := range table {
		made[i] = family[S]{m, prometheus.NewDesc(prefix+m.name, m.help, labels, constant)}
	}
	return made
}

// describe sends the descriptors.
func describe[S any](ch chan<- *prometheus.Desc, list []family[S]) {
	for i := range list {
		ch <- list[i].desc
	}
}

// within makes a table of a part's: what it says of a T, it says of the T in an S.
func within[S, T any](table []metric[T], part func(*S) *T) []metric[S] {
	made := make([]metric[S], len(table))
	for i, m := range table {
		made[i] = metric[S]{m.name, m.help, func(s *S) float64 { return m.value(part(s)) }}
	}
	return made
}

// named are the metrics of a table with those names.
func named[S any](table []metric[S], names ...string) []metric[S] {
	made := make([]metric[S], len(names))
	for i, name := range names {
		at := slices.IndexFunc(table, func(m metric[S]) bool { return m.name == name })
		made[i] = table[at] // panics for a name that is not there
	}
	return made
}

// constants are the label pairs of families without variable labels.
func constants[S any](list []family[S]) []*dto.LabelPair {
	return prometheus.MakeLabelPairs(list[0].desc, nil)
}

// sample is one series of a scrape. It is immutable, and shares the label pairs with others: to make them anew for each is most of the cost of the
// constant metrics of the Prometheus library (BenchmarkCollect).
type sample struct {
	desc    *prometheus.Desc
	labels  []*dto.LabelPair // sorted by name
	value   float64
	counter bool
}

// Desc implements [prometheus.Metric].
func (s *sample) Desc() *prometheus.Desc { return s.desc }

// Write implements [prometheus.Metric].
func (s *sample) Write(out *dto.Metric) error {
	out.Label = s.labels
	if s.counter {
		out.Counter = &dto.Counter{Value: &s.value}
	} else {
		out.Gauge = &dto.Gauge{Value: &s.value}
	}
	return nil
}

// scrape is what a Collect has gathered so far.
type scrape []sample

func (s *scrape) add(desc *prometheus.Desc, labels []*dto.LabelPair, value float64, counter bool) {
	if !math.IsNaN(value) {
		*s = append(*s, sample{desc, labels, value, counter})
	}
}

// read adds what a snapshot says.
func read[S any](s *scrape, list []family[S], labels []*dto.LabelPair, snapshot *S) {
	for i := range list {
		f := &list[i]
		s.add(f.desc, labels, f.value(snapshot), isCounter(f.name))
	}
}

// send hands all to the registry. No lock is held.
func (s scrape) send(ch chan<- prometheus.Metric) {
	for i := range s {
		ch <- &s[i]
	}
}

// absent is the value of a metric without a series.
var absent = math.NaN()

// clean makes a label's value of what a broker says of itself: a registry refuses a whole scrape for one that is not UTF-8.
func clean(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
