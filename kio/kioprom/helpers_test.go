package kioprom_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"
	"github.com/twmb/franz-go/pkg/kfake"

	"kafkaio/internal/leak"
	"kafkaio/kio"
)

// patience bounds what ought to happen at once. Guessed: more than a busy machine needs, and spent only by tests that fail.
const patience = 10 * time.Second

// config begins a test: it checks for leaks at the end, and gives a configuration with an engine of the test's own.
func config(t testing.TB) kio.Config {
	t.Helper()
	if t, ok := t.(*testing.T); ok {
		leak.Check(t)
	}
	e, err := kio.NewEngine(kio.EngineConfig{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return kio.Config{Engine: e, Timeout: patience}
}

// brokers starts an in-process cluster.
func brokers(t testing.TB, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	f, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

func open(t testing.TB, seeds []string, cfg kio.Config) *kio.Cluster {
	t.Helper()
	c, err := kio.OpenCluster(t.Context(), seeds, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// pedantic is a registry that compares what is collected with what was described, and lints names and help texts.
type pedantic struct{ *prometheus.Registry }

func register(t testing.TB, collectors ...prometheus.Collector) pedantic {
	t.Helper()
	r := prometheus.NewPedanticRegistry()
	for _, c := range collectors {
		if err := r.Register(c); err != nil {
			t.Fatal(err)
		}
	}
	problems, err := testutil.GatherAndLint(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	return pedantic{r}
}

// gather scrapes.
func (r pedantic) gather(t testing.TB) scraped {
	t.Helper()
	families, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	s := make(scraped)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			key := f.GetName()
			for _, l := range m.GetLabel() {
				key += " " + l.GetName() + "=" + l.GetValue()
			}
			s[key] = m
		}
	}
	return s
}

// scraped are series by name and labels: "name label=value label=value".
type scraped map[string]*dto.Metric

// value is that of a counter or a gauge, and the number of observations of a histogram.
func (s scraped) value(t testing.TB, key string) float64 {
	t.Helper()
	m := s[key]
	switch {
	case m == nil:
		t.Errorf("no series %s", key)
		return 0
	case m.Histogram != nil:
		return float64(m.Histogram.GetSampleCount())
	case m.Counter != nil:
		return m.Counter.GetValue()
	default:
		return m.Gauge.GetValue()
	}
}

// want checks values by name and labels.
func (s scraped) want(t testing.TB, want map[string]float64) {
	t.Helper()
	for key, v := range want {
		if got := s.value(t, key); got != v {
			t.Errorf("%s is %v, want %v", key, got, v)
		}
	}
}

// eventually polls until a state is reached, and fails the test when it is not.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %v", what, patience)
		}
		<-time.After(time.Millisecond) // between two looks; never taken for a state
	}
}
