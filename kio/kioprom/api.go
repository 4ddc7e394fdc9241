package kioprom

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The phases of a request, in their order.
const (
	phaseQueue = iota
	phaseWrite
	phaseWait
	phaseRead
	phases
)

var phaseNames = [phases]string{phaseQueue: "queue", phaseWrite: "write", phaseWait: "wait", phaseRead: "read"}

// api are the series of one API, at hand without a look-up by their labels. Immutable.
type api struct {
	name     string
	total    prometheus.Observer
	phases   [phases]prometheus.Observer // nil where RequestConfig has NoPhases
	sent     prometheus.Counter
	received prometheus.Counter
}

// firstKey is that of a bare token of SASL, which has no header.
const firstKey = -1

// nameOfKey is the value of the label api. What the encoder does not know is "Unknown", so that no more values come than it has names.
func nameOfKey(key int16) string {
	if key == firstKey {
		return "SASLToken"
	}
	return kmsg.NameForKey(key)
}

// api gives the series of an API, which it makes for the first request.
func (m *RequestMetrics) api(key int16) *api {
	i := int(key) - firstKey
	if i < 0 || i >= len(m.apis) {
		i = len(m.apis) - 1
		key = kmsg.MaxKey + 1
	}
	if a := m.apis[i].Load(); a != nil {
		return a
	}
	name := nameOfKey(key)
	a := &api{name: name, total: m.total.WithLabelValues(name), sent: m.sent.WithLabelValues(name), received: m.received.WithLabelValues(name)}
	if m.phases != nil {
		for p, phase := range phaseNames {
			a.phases[p] = m.phases.WithLabelValues(name, phase)
		}
	}
	m.apis[i].Store(a) // another one made at the same moment has the same series
	return a
}
