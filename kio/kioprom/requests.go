package kioprom

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

// RequestConfig shapes [RequestMetrics]. The zero value works.
type RequestConfig struct {
	// ConstLabels stand on every series: the name of the cluster, say. RequestMetrics in one registry must differ in their values. The map is not kept. A
	// name that is invalid, or one of ours (api, phase, class, step, result), is an error of Register.
	ConstLabels prometheus.Labels
	// Buckets are the upper bounds of the histograms of requests and their phases, in seconds and rising; nil is DefaultBuckets.
	Buckets []float64
	// NoPhases leaves out the histograms of the phases, which are four of five.
	NoPhases bool
}

// DefaultBuckets are upper bounds in seconds, from a broker on the same host to one that is stuck. The slice is the caller's.
func DefaultBuckets() []float64 {
	return []float64{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30}
}

// RequestMetrics are histograms and counts of what happens on connections, filled by the hooks that [RequestMetrics.Hooks] gives, and a collector of them. Safe for
// concurrent use. It starts no goroutine. Any number of Brokers and Clusters may share one, and series do not name connections: how many
// there are depends on the requests that a program sends.
type RequestMetrics struct {
	// Immutable after NewRequestMetrics.
	total      *prometheus.HistogramVec
	phases     *prometheus.HistogramVec // nil: without
	errors     *prometheus.CounterVec
	sent       *prometheus.CounterVec
	received   *prometheus.CounterVec
	connects   *prometheus.HistogramVec
	connected  prometheus.Observer
	failed     prometheus.Observer
	steps      *prometheus.CounterVec
	ends       *prometheus.CounterVec
	throttles  prometheus.Histogram
	collectors []prometheus.Collector

	// Atomic; nil before the first request. By API key, moved by firstKey; the last is for all other keys.
	apis [kmsg.MaxKey + 3]atomic.Pointer[api]
}

var _ prometheus.Collector = (*RequestMetrics)(nil)

// NewRequestMetrics makes metrics without a series of any request yet.
func NewRequestMetrics(cfg RequestConfig) *RequestMetrics {
	if cfg.Buckets == nil {
		cfg.Buckets = DefaultBuckets()
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "kafkaio_" + name, Help: help, ConstLabels: cfg.ConstLabels, Buckets: cfg.Buckets}, labels)
	}
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "kafkaio_" + name, Help: help, ConstLabels: cfg.ConstLabels}, labels)
	}
	m := &RequestMetrics{
		total:    histogram("request_seconds", "Time of accepted requests until their end, whatever it was.", "api"),
		errors:   counter("request_errors_total", "Accepted requests that ended without their answer, by the class of the error.", "api", "class"),
		sent:     counter("request_sent_bytes_total", "Bytes of requests handed to the socket or to TLS, size prefixes included.", "api"),
		received: counter("request_received_bytes_total", "Bytes of their answers, size prefixes included.", "api"),
		connects: histogram("connect_seconds", "Time of attempts to open a connection: look-up, connecting, TLS, ApiVersions, SASL.", "result"),
		steps:    counter("connect_errors_total", "Attempts to open a connection that failed, by the step.", "step"),
		ends:     counter("disconnects_total", "Connections that have ended, by the class of the cause.", "class"),
		throttles: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "kafkaio_throttle_seconds", Help: "Times for which brokers asked to be left alone.", ConstLabels: cfg.ConstLabels, Buckets: cfg.Buckets,
		}),
	}
	m.connected, m.failed = m.connects.WithLabelValues("opened"), m.connects.WithLabelValues("failed")
	for class := range (kio.ErrorCounts{}) {
		m.ends.WithLabelValues(kio.ErrorClass(class).String()) // a rate needs the zero before the first
	}
	m.collectors = []prometheus.Collector{m.total, m.errors, m.sent, m.received, m.connects, m.steps, m.ends, m.throttles}
	if !cfg.NoPhases {
		m.phases = histogram("request_phase_seconds", "Where the time of requests has gone: in the queue, being written, until the answer began, until it was complete.", "api", "phase")
		m.collectors = append(m.collectors, m.phases)
	}
	return m
}

// Describe implements [prometheus.Collector].
func (m *RequestMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.collectors {
		c.Describe(ch)
	}
}

// Collect implements [prometheus.Collector].
func (m *RequestMetrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.collectors {
		c.Collect(ch)
	}
}

// onConnect is told of an attempt to connect.
func (m *RequestMetrics) onConnect(elapsed time.Duration, err error) {
	if err == nil {
		m.connected.Observe(elapsed.Seconds())
		return
	}
	m.failed.Observe(elapsed.Seconds())
	m.steps.WithLabelValues(stepOf(err)).Inc()
}

// onRequest is told of the end of a request.
func (m *RequestMetrics) onRequest(r *kio.RequestInfo) {
	a := m.api(r.Key)
	a.total.Observe(r.Total.Seconds())
	a.sent.Add(float64(r.BytesSent))
	a.received.Add(float64(r.BytesReceived))
	if r.Err != nil {
		m.errors.WithLabelValues(a.name, kio.ErrorClassOf(r.Err).String()).Inc()
	}
	if m.phases == nil {
		return
	}
	for i, d := range [phases]time.Duration{phaseQueue: r.Queue, phaseWrite: r.Write, phaseWait: r.Wait, phaseRead: r.Read} {
		// A phase that the request has not come to is not one that took no time.
		if d > 0 || r.Err == nil && (!r.OneWay || i < phaseWait) {
			a.phases[i].Observe(d.Seconds())
		}
	}
}

// steps are the values of the label step; whatever else an attempt may fail at is "other".
var steps = []kio.Step{
	kio.StepResolve, kio.StepConnect, kio.StepProxy, kio.StepTLS, kio.StepApiVersions, kio.StepSASLHandshake, kio.StepSASL, kio.StepFirstRequest, kio.StepReauthentication,
}

func stepOf(err error) string {
	var open *kio.OpenError
	if errors.As(err, &open) {
		for _, s := range steps {
			if s == open.Step {
				return string(s)
			}
		}
	}
	return "other"
}
