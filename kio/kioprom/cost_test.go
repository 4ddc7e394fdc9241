package kioprom_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/kio/kioprom"
)

var request = kio.RequestInfo{Key: 3, BytesSent: 100, BytesReceived: 1000, Queue: time.Microsecond, Write: time.Microsecond, Wait: time.Millisecond, Read: time.Microsecond, Total: 1003 * time.Microsecond}

func TestRequestsAreCountedWithoutAllocation(t *testing.T) {
	h := kioprom.NewRequestMetrics(kioprom.RequestConfig{}).Hooks(nil)
	h.OnRequest(kio.ConnInfo{}, request)
	if n := testing.AllocsPerRun(100, func() { h.OnRequest(kio.ConnInfo{}, request) }); n != 0 {
		t.Errorf("%v allocations a request, want 0", n)
	}
}

// BenchmarkOnRequest is the hook of one request, and of several goroutines that count the same API.
func BenchmarkOnRequest(b *testing.B) {
	for name, cfg := range map[string]kioprom.RequestConfig{"phases": {}, "no phases": {NoPhases: true}} {
		h := kioprom.NewRequestMetrics(cfg).Hooks(nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				h.OnRequest(kio.ConnInfo{}, request)
			}
		})
		b.Run(name+" parallel", func(b *testing.B) {
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					h.OnRequest(kio.ConnInfo{}, request)
				}
			})
		})
	}
}

// BenchmarkCollect is a scrape of a Cluster of 1,000 nodes with a connection each: its Stats alone, what the collector adds, and with a registry's work. To beat are the
// same series as constant metrics of the Prometheus library.
func BenchmarkCollect(b *testing.B) {
	cfg := config(b)
	cfg.Cluster.Standalone = true
	c := open(b, brokers(b, kfake.NumBrokers(1000)).ListenAddrs(), cfg)
	c.Each(b.Context(), kmsg.NewPtrApiVersionsRequest())
	if n := c.Stats().Conns; n != 1000 {
		b.Fatalf("%d connections, want 1000", n)
	}
	b.Run("stats", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = c.Stats()
		}
	})
	for name, cfg := range map[string]kioprom.ClusterConfig{"no nodes": {NoNodes: true}, "nodes": {}, "connections": {Conns: true}} {
		collector := kioprom.NewClusterCollector(c, cfg)
		var series []prometheus.Metric
		b.Run(name+"/collect", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				series = series[:0]
				for m := range metrics(collector) {
					series = append(series, m)
				}
			}
			b.ReportMetric(float64(len(series)), "series")
		})
		b.Run(name+"/gather", func(b *testing.B) {
			r := prometheus.NewRegistry()
			r.MustRegister(collector)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Gather(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("constant metrics", func(b *testing.B) {
		desc := prometheus.NewDesc("kafkaio_node_requests_total", "Requests.", []string{"node", "address"}, nil)
		b.ReportAllocs()
		for b.Loop() {
			for range 15 * 1000 {
				_ = prometheus.MustNewConstMetric(desc, prometheus.CounterValue, 1, "17", "127.0.0.1:9092")
			}
		}
	})
}

// metrics runs a Collect.
func metrics(c prometheus.Collector) <-chan prometheus.Metric {
	ch := make(chan prometheus.Metric, 1000)
	go func() { // ends with Collect; who ranges over the channel waits for it
		defer close(ch)
		c.Collect(ch)
	}()
	return ch
}
