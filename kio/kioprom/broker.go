package kioprom

import (
	"maps"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"kafkaio/kio"
)

var brokerMetrics = append([]metric[kio.Stats]{
	{"connected", "1 while the connection is open, 0 afterwards.", func(s *kio.Stats) float64 {
		if s.State == "open" {
			return 1
		}
		return 0
	}},
}, connMetrics...)

// brokerCollector gives the statistics of a Broker. Immutable, and safe for concurrent use.
type brokerCollector struct {
	broker   *kio.Broker
	list     []family[kio.Stats]
	constant []*dto.LabelPair
	errors   byClass
}

// NewBrokerCollector makes a collector of Broker.Stats, for programs that hold connections themselves. The series have the label address besides constant, which may
// be nil; collectors of connections to the same address in one registry must differ in that. The map is not kept. It starts no goroutine. A Broker that has ended does not
// come back: unregister its collector, and register one of the next connection.
func NewBrokerCollector(b *kio.Broker, constant prometheus.Labels) prometheus.Collector {
	const prefix = "kafkaio_broker_"
	labels := prometheus.Labels{"address": clean(b.Addr())}
	maps.Copy(labels, constant)
	k := &brokerCollector{broker: b, list: families(prefix, brokerMetrics, nil, labels), errors: newByClass(prefix, labels)}
	k.constant = constants(k.list)
	return k
}

// Describe implements [prometheus.Collector].
func (k *brokerCollector) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, k.list)
	ch <- k.errors.desc
}

// Collect implements [prometheus.Collector].
func (k *brokerCollector) Collect(ch chan<- prometheus.Metric) {
	s := k.broker.Stats()
	out := make(scrape, 0, len(k.list)+len(k.errors.labels))
	read(&out, k.list, k.constant, &s)
	k.errors.read(&out, &s.Errors)
	out.send(ch)
}
