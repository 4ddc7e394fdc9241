package kioprom_test

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/kio/kioprom"
)

func TestClusterCollectorSaysWhatStatsSay(t *testing.T) {
	cfg := config(t)
	f := brokers(t, kfake.NumBrokers(3), kfake.ClusterID("the-cluster"))
	c := open(t, f.ListenAddrs(), cfg)
	r := register(t, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{ConstLabels: prometheus.Labels{"cluster": "test"}, Conns: true}))
	for _, answer := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
		if answer.Err != nil {
			t.Fatal(answer.Err)
		}
	}
	eventually(t, "all writes are counted, which their answers may overtake", func() bool { return c.Stats().Totals.PendingBytes == 0 })
	s, got := c.Stats(), r.gather(t)
	if s.Totals.Requests == 0 || s.Conns != 3 {
		t.Fatalf("%d requests over %d connections, want some over 3", s.Totals.Requests, s.Conns)
	}
	want := map[string]float64{
		"info cluster=test cluster_id=the-cluster":        1,
		"controller_node cluster=test":                    float64(s.Controller),
		"connections cluster=test":                        3,
		"connections_opened_total cluster=test":           float64(s.Totals.Conns),
		"requests_total cluster=test":                     float64(s.Totals.Requests),
		"answers_total cluster=test":                      float64(s.Totals.Answered),
		"one_way_requests_total cluster=test":             0,
		"late_answers_total cluster=test":                 0,
		"write_stalls_total cluster=test":                 float64(s.Totals.Stalls),
		"sent_bytes_total cluster=test":                   float64(s.Totals.BytesSent),
		"received_bytes_total cluster=test":               float64(s.Totals.BytesRead),
		"request_errors_total class=timeout cluster=test": 0,
		"in_flight_requests cluster=test":                 0,
		"abandoned_requests cluster=test":                 0,
		"waiting_requests cluster=test":                   0,
		"pending_bytes cluster=test":                      0,
		"waiting_calls cluster=test":                      0,
		"dials_total cluster=test":                        float64(s.Dials),
		"dial_errors_total cluster=test":                  0,
		"disconnects_total cluster=test":                  0,
		"reaped_connections_total cluster=test":           0,
		"resent_requests_total cluster=test":              0,
		"metadata_refreshes_total cluster=test":           float64(s.Refreshes),
		"metadata_refresh_errors_total cluster=test":      0,
		"nodes cluster=test state=connected":              3,
		"nodes cluster=test state=backing off":            0,
	}
	for key, v := range want {
		got.want(t, map[string]float64{"kafkaio_cluster_" + key: v})
	}
	if age := got.value(t, "kafkaio_cluster_metadata_age_seconds cluster=test"); age <= 0 || age > patience.Seconds() {
		t.Errorf("metadata are %v s old", age)
	}
	for _, n := range s.Nodes {
		labels := "address=" + n.Addr + " cluster=test node=" + strconv.Itoa(int(n.ID))
		for key, v := range map[string]float64{
			"connections": 1, "waiting_calls": 0, "consecutive_dial_failures": 0, "in_flight_requests": 0, "pending_bytes": 0,
			"requests_total": float64(n.Totals.Requests), "answers_total": float64(n.Totals.Answered),
			"sent_bytes_total": float64(n.Totals.BytesSent), "received_bytes_total": float64(n.Totals.BytesRead),
			"dials_total": float64(n.Dials), "dial_errors_total": 0, "disconnects_total": 0, "request_errors_total": 0, "request_timeouts_total": 0,
		} {
			got.want(t, map[string]float64{"kafkaio_node_" + key + " " + labels: v})
		}
		conn := n.Conns[0]
		labels = "address=" + n.Addr + " class=short cluster=test node=" + strconv.Itoa(int(n.ID)) + " slot=0"
		got.want(t, map[string]float64{
			"kafkaio_connection_requests_total " + labels:   float64(conn.Requests),
			"kafkaio_connection_sent_bytes_total " + labels: float64(conn.BytesSent),
			"kafkaio_connection_throttles_total " + labels:  0,
		})
	}
}

// Connections of a class are told apart.
func TestConnectionsHaveSlots(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.HoldOpen, cfg.Cluster.ConnsPerClass = 3, 3
	c := open(t, brokers(t, kfake.NumBrokers(1)).ListenAddrs(), cfg)
	eventually(t, "three connections", func() bool { return c.Stats().Conns == 3 })
	got := register(t, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{Conns: true})).gather(t)
	for _, slot := range []string{"0", "1", "2"} {
		if key := "kafkaio_connection_age_seconds address=" + c.Nodes()[0].Addr + " class=short node=0 slot=" + slot; got[key] == nil {
			t.Errorf("no series %s", key)
		}
	}
}

func TestClusterConfigLeavesOut(t *testing.T) {
	cfg := config(t)
	c := open(t, brokers(t, kfake.NumBrokers(3)).ListenAddrs(), cfg)
	for _, tt := range []struct {
		cfg         kioprom.ClusterConfig
		node, conns bool
	}{
		{kioprom.ClusterConfig{}, true, false},
		{kioprom.ClusterConfig{NoNodes: true}, false, false},
		{kioprom.ClusterConfig{NoNodes: true, Conns: true}, false, false},
		{kioprom.ClusterConfig{Conns: true}, true, true},
	} {
		names := strings.Join(slices.Collect(maps.Keys(register(t, kioprom.NewClusterCollector(c, tt.cfg)).gather(t))), "\n")
		if got := strings.Contains(names, "kafkaio_node_"); got != tt.node {
			t.Errorf("%+v: series of nodes: %t", tt.cfg, got)
		}
		if got := strings.Contains(names, "kafkaio_connection_"); got != tt.conns {
			t.Errorf("%+v: series of connections: %t", tt.cfg, got)
		}
	}
}

// A node that is down shows as one, with its errors.
func TestNodeThatIsDown(t *testing.T) {
	cfg := config(t)
	f := brokers(t, kfake.NumBrokers(2))
	cfg.Cluster.Standalone, cfg.Cluster.NoResend = true, true
	c := open(t, f.ListenAddrs(), cfg)
	r := register(t, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{}))
	c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest())
	f.Close()
	eventually(t, "both connections have ended", func() bool { return c.Stats().Conns == 0 })
	for _, answer := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
		if answer.Err == nil {
			t.Error("a broker that is down has answered")
		}
	}
	s, got := c.Stats(), r.gather(t)
	got.want(t, map[string]float64{
		"kafkaio_cluster_disconnects_total":                                     2,
		"kafkaio_cluster_connections":                                           0,
		"kafkaio_cluster_nodes state=backing off":                               2,
		"kafkaio_cluster_requests_total":                                        float64(s.Totals.Requests),
		"kafkaio_node_disconnects_total address=" + s.Nodes[1].Addr + " node=1": 1,
	})
	if n := got.value(t, "kafkaio_cluster_dial_errors_total"); n < 2 {
		t.Errorf("%v dial errors, want one of each node at least", n)
	}
	if n := got.value(t, "kafkaio_node_consecutive_dial_failures address="+s.Nodes[0].Addr+" node=0"); n < 1 {
		t.Errorf("%v failures in a row", n)
	}
}

func TestClosedClusterShowsWhatWasLast(t *testing.T) {
	cfg := config(t)
	c := open(t, brokers(t, kfake.NumBrokers(3)).ListenAddrs(), cfg)
	r := register(t, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{Conns: true}), kioprom.NewEngineCollector(cfg.Engine, nil))
	c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest())
	before := r.gather(t)
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cfg.Engine.Close(); err != nil {
		t.Fatal(err)
	}
	after := r.gather(t)
	for _, name := range []string{"requests_total", "answers_total", "received_bytes_total", "connections_opened_total"} {
		for _, prefix := range []string{"kafkaio_cluster_", "kafkaio_engine_"} {
			if b, a := before.value(t, prefix+name), after.value(t, prefix+name); a < b || b == 0 {
				t.Errorf("%s%s: %v after Close, %v before", prefix, name, a, b)
			}
		}
	}
	after.want(t, map[string]float64{"kafkaio_cluster_connections": 0, "kafkaio_engine_connections": 0, "kafkaio_cluster_nodes state=connected": 0})
}

// Counters of scrapes that overlap with requests, connects and each other never fall.
func TestScrapesAtTheSameTime(t *testing.T) {
	cfg := config(t)
	requests := kioprom.NewRequestMetrics(kioprom.RequestConfig{})
	cfg.Hooks = requests.Hooks(nil)
	c := open(t, brokers(t, kfake.NumBrokers(3)).ListenAddrs(), cfg)
	r := register(t, requests, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{Conns: true}), kioprom.NewEngineCollector(cfg.Engine, nil))
	var work sync.WaitGroup
	for range 3 {
		work.Go(func() {
			for range 50 {
				c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest())
			}
		})
		work.Go(func() {
			last := make(map[string]float64)
			for range 50 {
				families, err := r.Gather()
				if err != nil {
					t.Error(err)
					return
				}
				for _, f := range families {
					if len(f.GetMetric()) == 1 && strings.HasSuffix(f.GetName(), "_total") {
						v := f.GetMetric()[0].GetCounter().GetValue()
						if v < last[f.GetName()] {
							t.Errorf("%s has fallen from %v to %v", f.GetName(), last[f.GetName()], v)
						}
						last[f.GetName()] = v
					}
				}
			}
		})
	}
	work.Wait()
}

// Two collectors of a kind need something that tells them apart, and a registry says so.
func TestTwoClustersInOneRegistry(t *testing.T) {
	cfg := config(t)
	seeds := brokers(t, kfake.NumBrokers(1)).ListenAddrs()
	a, b := open(t, seeds, cfg), open(t, seeds, cfg)
	of := func(c *kio.Cluster, name string) prometheus.Collector {
		return kioprom.NewClusterCollector(c, kioprom.ClusterConfig{ConstLabels: prometheus.Labels{"cluster": name}, Conns: true})
	}
	register(t, of(a, "a"), of(b, "b")).gather(t)
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(of(a, "a"))
	if err := r.Register(of(b, "a")); err == nil {
		t.Error("two collectors with the same labels were registered")
	}
}

func TestBadConstantLabelsAreRefused(t *testing.T) {
	cfg := config(t)
	c := open(t, brokers(t, kfake.NumBrokers(1)).ListenAddrs(), cfg)
	for _, name := range []string{"", "__name__", "class", "node", "slot"} {
		labels := prometheus.Labels{name: "x"}
		for kind, collector := range map[string]prometheus.Collector{
			"cluster": kioprom.NewClusterCollector(c, kioprom.ClusterConfig{ConstLabels: labels, Conns: true}),
			"engine":  kioprom.NewEngineCollector(cfg.Engine, labels),
		} {
			if kind == "engine" && (name == "node" || name == "slot") {
				continue
			}
			if err := prometheus.NewRegistry().Register(collector); err == nil {
				t.Errorf("%s with the constant label %q was registered", kind, name)
			}
		}
	}
}

// A registry refuses a whole scrape for one label that is not UTF-8, and brokers may say anything.
func TestBytesThatAreNoTextAreReplaced(t *testing.T) {
	cfg := config(t)
	c := open(t, brokers(t, kfake.NumBrokers(1), kfake.ClusterID("a\xffb")).ListenAddrs(), cfg)
	if c.ID() != "a\xffb" {
		t.Fatalf("the cluster's id is %q", c.ID())
	}
	register(t, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{})).gather(t).want(t, map[string]float64{"kafkaio_cluster_info cluster_id=a\uFFFDb": 1})
}

// As many series as the documentation says.
func TestSeriesAreAsManyAsPromised(t *testing.T) {
	cfg := config(t)
	c := open(t, brokers(t, kfake.NumBrokers(1)).ListenAddrs(), cfg)
	if c.Stats().Nodes[0].Conns[0].RTT == 0 {
		t.Skip("the kernel does not tell of connections")
	}
	count := map[string]int{}
	for key := range register(t, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{Conns: true})).gather(t) {
		count[strings.Split(key, "_")[1]]++
	}
	if want := map[string]int{"cluster": 38, "node": 15, "connection": 16}; !maps.Equal(count, want) {
		t.Errorf("series %v, want %v", count, want)
	}
}

// What a node has counted stays in the sums of its cluster when it leaves.
func TestSumsStayWhenANodeLeaves(t *testing.T) {
	cfg := config(t)
	f := brokers(t, kfake.NumBrokers(3))
	c := open(t, f.ListenAddrs(), cfg)
	r := register(t, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{}))
	c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest())
	eventually(t, "all writes are counted, which their answers may overtake", func() bool { return c.Stats().Totals.PendingBytes == 0 })
	before := r.gather(t)
	leaves := c.Nodes()[2]
	if err := f.RemoveNode(leaves.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the node has left", func() bool { return c.Refresh(t.Context()) == nil && len(c.Nodes()) == 2 })
	after := r.gather(t)
	if after["kafkaio_node_requests_total address="+leaves.Addr+" node="+strconv.Itoa(int(leaves.ID))] != nil {
		t.Error("the node still has series")
	}
	for _, name := range []string{"requests_total", "answers_total", "sent_bytes_total", "received_bytes_total", "dials_total", "connections_opened_total"} {
		if b, a := before.value(t, "kafkaio_cluster_"+name), after.value(t, "kafkaio_cluster_"+name); a < b || b == 0 {
			t.Errorf("%s: %v with the node, %v without it", name, b, a)
		}
	}
}
