package kioprom

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"kafkaio/kio"
)

// totalCounters are what sums over connections count, those that have ended included. The errors stand apart, by their class.
var totalCounters = []metric[kio.Totals]{
	{"connections_opened_total", "Connections to brokers that have been opened.", func(t *kio.Totals) float64 { return float64(t.Conns) }},
	{"requests_total", "Requests accepted, one-way ones included.", func(t *kio.Totals) float64 { return float64(t.Requests) }},
	{"answers_total", "Requests that ended with an answer.", func(t *kio.Totals) float64 { return float64(t.Answered) }},
	{"one_way_requests_total", "Requests written to which no answer is due.", func(t *kio.Totals) float64 { return float64(t.OneWay) }},
	{"late_answers_total", "Answers dropped because their requests had been given up.", func(t *kio.Totals) float64 { return float64(t.LateAnswers) }},
	{"write_stalls_total", "Times that a write found the socket full.", func(t *kio.Totals) float64 { return float64(t.Stalls) }},
	{"sent_bytes_total", "Bytes of requests handed to the kernel, size prefixes included.", func(t *kio.Totals) float64 { return float64(t.BytesSent) }},
	{"received_bytes_total", "Bytes of whole answers, size prefixes included.", func(t *kio.Totals) float64 { return float64(t.BytesRead) }},
}

// totalGauges are how it stands with the connections that are open.
var totalGauges = []metric[kio.Totals]{
	{"in_flight_requests", "Requests queued or sent whose answer is due.", func(t *kio.Totals) float64 { return float64(t.InFlight) }},
	{"abandoned_requests", "Requests given up whose late answers are still due.", func(t *kio.Totals) float64 { return float64(t.Abandoned) }},
	{"waiting_requests", "Requests that wait for room in the queue of their connection.", func(t *kio.Totals) float64 { return float64(t.Waiting) }},
	{"pending_bytes", "Bytes of requests that wait to be written.", func(t *kio.Totals) float64 { return float64(t.PendingBytes) }},
}

// byClass is a metric with a series for each class of errors. Immutable.
type byClass struct {
	desc   *prometheus.Desc
	labels [len(kio.ErrorCounts{})][]*dto.LabelPair
}

func newByClass(prefix string, constant prometheus.Labels) byClass {
	b := byClass{desc: prometheus.NewDesc(prefix+"request_errors_total", "Requests that ended without their answer or were not accepted, by the class of the error.", []string{"class"}, constant)}
	for class := range b.labels {
		b.labels[class] = prometheus.MakeLabelPairs(b.desc, []string{kio.ErrorClass(class).String()})
	}
	return b
}

// read adds the counts of all classes, also of those that have none: a rate needs the zero before the first.
func (b *byClass) read(s *scrape, counts *kio.ErrorCounts) {
	for class, n := range counts {
		s.add(b.desc, b.labels[class], float64(n), true)
	}
}
