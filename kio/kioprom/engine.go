package kioprom

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"kafkaio/kio"
)

// engineSnapshot is all that an engine tells.
type engineSnapshot struct {
	kio.EngineStats
	dials kio.DialStats
}

var engineMetrics = append([]metric[engineSnapshot]{
	{"loops", "Event loops.", func(s *engineSnapshot) float64 { return float64(s.Loops) }},
	{"connections", "Connections that have not ended.", func(s *engineSnapshot) float64 { return float64(s.Conns) }},
	{"receiving_bytes", "Memory that answers being received have or have been promised.", func(s *engineSnapshot) float64 { return float64(s.ReceivingBytes) }},
	{"receiving_limit_bytes", "Budget of the memory of answers being received; no series where there is no bound.", func(s *engineSnapshot) float64 { return limit(s.MaxReceivingBytes) }},
	{"sending_bytes", "Bytes of requests that wait to be sent.", func(s *engineSnapshot) float64 { return float64(s.SendingBytes) }},
	{"sending_limit_bytes", "Budget of the bytes of requests that wait to be sent; no series where there is no bound.", func(s *engineSnapshot) float64 { return limit(s.MaxSendingBytes) }},
	{"paused_connections", "Connections that are not read until there is memory for their answers.", func(s *engineSnapshot) float64 { return float64(s.PausedConns) }},
	{"pauses_total", "Times that a connection has stopped reading for want of memory for its answer.", func(s *engineSnapshot) float64 { return float64(s.Pauses) }},
	{"waiting_connections", "Connections whose requests wait for room in the budget for sending.", func(s *engineSnapshot) float64 { return float64(s.WaitingConns) }},
	{"sending_waits_total", "Times that requests of a connection began to wait for room in the budget for sending.", func(s *engineSnapshot) float64 { return float64(s.SendingWaits) }},
	{"dials_running", "Attempts of Clusters to connect that are under way.", func(s *engineSnapshot) float64 { return float64(s.dials.Running) }},
	{"dials_waiting", "Attempts of Clusters to connect that wait for their turn.", func(s *engineSnapshot) float64 { return float64(s.dials.Waiting) }},
	{"dials_running_max", "Most attempts of Clusters to connect that were ever under way at a time.", func(s *engineSnapshot) float64 { return float64(s.dials.MaxRunning) }},
	{"dials_total", "Attempts of Clusters to connect.", func(s *engineSnapshot) float64 { return float64(s.dials.Started) }},
}, within(append(totalGauges[:len(totalGauges):len(totalGauges)], totalCounters...), func(s *engineSnapshot) *kio.Totals { return &s.Totals })...)

// limit is a budget, absent where there is none.
func limit(n int64) float64 {
	if n < 0 {
		return absent
	}
	return float64(n)
}

// engineCollector gives the statistics of an Engine. Immutable, and safe for concurrent use.
type engineCollector struct {
	engine   *kio.Engine
	list     []family[engineSnapshot]
	constant []*dto.LabelPair
	errors   byClass
	info     *prometheus.Desc
	driver   []*dto.LabelPair
	polls    *prometheus.Desc
	hit      []*dto.LabelPair
	miss     []*dto.LabelPair
}

// NewEngineCollector makes a collector of Engine.Stats and Engine.DialStats: some 40 series, however many connections there are. constant are labels for all of
// them, nil for none; collectors of several engines in one registry must differ in their values. The map is not kept. It starts no goroutine.
func NewEngineCollector(e *kio.Engine, constant prometheus.Labels) prometheus.Collector {
	const prefix = "kafkaio_engine_"
	k := &engineCollector{
		engine: e,
		list:   families(prefix, engineMetrics, nil, constant),
		errors: newByClass(prefix, constant),
		info:   prometheus.NewDesc(prefix+"info", "1 for the implementation of the event loops.", []string{"driver"}, constant),
		polls:  prometheus.NewDesc(prefix+"poll_seconds_total", "Time that the loops have spent polling instead of sleeping, by whether an event came.", []string{"outcome"}, constant),
	}
	k.constant = constants(k.list)
	k.driver = prometheus.MakeLabelPairs(k.info, []string{e.Driver().String()})
	k.hit = prometheus.MakeLabelPairs(k.polls, []string{"hit"})
	k.miss = prometheus.MakeLabelPairs(k.polls, []string{"miss"})
	return k
}

// Describe implements [prometheus.Collector].
func (k *engineCollector) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, k.list)
	ch <- k.errors.desc
	ch <- k.info
	ch <- k.polls
}

// Collect implements [prometheus.Collector].
func (k *engineCollector) Collect(ch chan<- prometheus.Metric) {
	s := engineSnapshot{k.engine.Stats(), k.engine.DialStats()}
	out := make(scrape, 0, len(k.list)+len(k.errors.labels)+3)
	read(&out, k.list, k.constant, &s)
	k.errors.read(&out, &s.Totals.Errors)
	out.add(k.info, k.driver, 1, false)
	out.add(k.polls, k.hit, s.PollHit.Seconds(), true)
	out.add(k.polls, k.miss, s.PollMiss.Seconds(), true)
	out.send(ch)
}
