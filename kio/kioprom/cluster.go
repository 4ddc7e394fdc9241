package kioprom

import (
	"strconv"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"kafkaio/kio"
)

// ClusterConfig shapes a collector of a Cluster. The zero value works.
type ClusterConfig struct {
	// ConstLabels stand on every series: the name of the cluster, say. Collectors of several Clusters in one registry must differ in their values. The map is
	// not kept. A name that is invalid, or one of ours (node, address, class, slot, state, cluster_id), is an error of Register.
	ConstLabels prometheus.Labels
	// NoNodes leaves out the series of each node, of which there are 15, and with them those of connections.
	NoNodes bool
	// Conns adds the series of each open connection, of which there are 16.
	Conns bool
}

// clusterMetrics are what there is to tell of a Cluster. Errors and nodes by their state stand apart.
var clusterMetrics = append([]metric[kio.ClusterStats]{
	{"controller_node", "Id of the node that is the controller, -1 where it is not known.", func(s *kio.ClusterStats) float64 { return float64(s.Controller) }},
	{"connections", "Open connections.", func(s *kio.ClusterStats) float64 { return float64(s.Conns) }},
	{"waiting_calls", "Calls that wait for a connection.", func(s *kio.ClusterStats) float64 { return float64(s.Waiting) }},
	{"metadata_age_seconds", "Time since the nodes were asked for.", func(s *kio.ClusterStats) float64 {
		if s.MetadataAge == 0 {
			return absent
		}
		return s.MetadataAge.Seconds()
	}},
	{"dials_total", "Attempts to connect.", func(s *kio.ClusterStats) float64 { return float64(s.Dials) }},
	{"dial_errors_total", "Attempts to connect that failed.", func(s *kio.ClusterStats) float64 { return float64(s.DialErrors) }},
	{"disconnects_total", "Connections that ended by themselves.", func(s *kio.ClusterStats) float64 { return float64(s.Disconnects) }},
	{"reaped_connections_total", "Connections closed because nothing used them.", func(s *kio.ClusterStats) float64 { return float64(s.Reaped) }},
	{"resent_requests_total", "Requests that were tried again.", func(s *kio.ClusterStats) float64 { return float64(s.Resent) }},
	{"metadata_refreshes_total", "Times that the nodes were asked for.", func(s *kio.ClusterStats) float64 { return float64(s.Refreshes) }},
	{"metadata_refresh_errors_total", "Times that the nodes were asked for in vain.", func(s *kio.ClusterStats) float64 { return float64(s.RefreshErrors) }},
}, within(append(totalGauges[:len(totalGauges):len(totalGauges)], totalCounters...), func(s *kio.ClusterStats) *kio.Totals { return &s.Totals })...)

// nodeMetrics are what there is to tell of a node.
var nodeMetrics = append([]metric[kio.NodeStats]{
	{"connections", "Open connections to the node.", func(n *kio.NodeStats) float64 { return float64(len(n.Conns)) }},
	{"waiting_calls", "Calls that wait for a connection to the node.", func(n *kio.NodeStats) float64 { return float64(n.Waiting) }},
	{"consecutive_dial_failures", "Attempts to connect in a row that came to nothing.", func(n *kio.NodeStats) float64 { return float64(n.Failures) }},
	{"round_trip_seconds", "Longest smoothed round trip of segments among the connections to the node, as the kernel has it (Linux).", longestRoundTrip},
	{"dials_total", "Attempts to connect.", func(n *kio.NodeStats) float64 { return float64(n.Dials) }},
	{"dial_errors_total", "Attempts to connect that failed.", func(n *kio.NodeStats) float64 { return float64(n.DialErrors) }},
	{"disconnects_total", "Connections that ended by themselves.", func(n *kio.NodeStats) float64 { return float64(n.Disconnects) }},
	{"request_errors_total", "Requests that ended without their answer or were not accepted.", func(n *kio.NodeStats) float64 { return float64(n.Totals.Errors.Total()) }},
	{"request_timeouts_total", "Requests given up at their deadline.", func(n *kio.NodeStats) float64 { return float64(n.Totals.Errors[kio.ErrorTimeout]) }},
}, within(append(
	named(totalGauges, "in_flight_requests", "pending_bytes"),
	named(totalCounters, "requests_total", "answers_total", "sent_bytes_total", "received_bytes_total")...,
), func(n *kio.NodeStats) *kio.Totals { return &n.Totals })...)

func longestRoundTrip(n *kio.NodeStats) float64 {
	longest := absent
	for i := range n.Conns {
		if rtt := n.Conns[i].RTT.Seconds(); rtt > 0 && !(longest >= rtt) {
			longest = rtt
		}
	}
	return longest
}

// nodeLabels and connLabels tell series of nodes and of connections apart.
var (
	nodeLabels = []string{"node", "address"}
	connLabels = []string{"node", "address", "class", "slot"}
)

// clusterCollector gives the statistics of a Cluster. Immutable, and safe for concurrent use.
type clusterCollector struct {
	cluster    *kio.Cluster
	cfg        ClusterConfig
	constant   []*dto.LabelPair
	own        []family[kio.ClusterStats]
	errors     byClass
	info       *prometheus.Desc
	states     *prometheus.Desc
	stateNames [kio.NodeBackingOff + 1][]*dto.LabelPair
	nodes      []family[kio.NodeStats]
	conns      []family[kio.Stats]
}

// NewClusterCollector makes a collector of Cluster.Stats. It belongs into one registry, starts no goroutine, keeps c from being collected as garbage until it is
// unregistered, and goes on with what was last after c is closed.
func NewClusterCollector(c *kio.Cluster, cfg ClusterConfig) prometheus.Collector {
	const prefix = "kafkaio_cluster_"
	k := &clusterCollector{
		cluster: c,
		cfg:     cfg,
		own:     families(prefix, clusterMetrics, nil, cfg.ConstLabels),
		errors:  newByClass(prefix, cfg.ConstLabels),
		info:    prometheus.NewDesc(prefix+"info", "1 for the id that the cluster gives itself.", []string{"cluster_id"}, cfg.ConstLabels),
		states:  prometheus.NewDesc(prefix+"nodes", "Nodes, by how they can be reached.", []string{"state"}, cfg.ConstLabels),
	}
	k.cfg.ConstLabels = nil // which is the caller's
	k.constant = constants(k.own)
	for state := range k.stateNames {
		k.stateNames[state] = prometheus.MakeLabelPairs(k.states, []string{kio.NodeState(state).String()})
	}
	if !cfg.NoNodes {
		k.nodes = families("kafkaio_node_", nodeMetrics, nodeLabels, cfg.ConstLabels)
		if cfg.Conns {
			k.conns = families("kafkaio_connection_", connMetrics, connLabels, cfg.ConstLabels)
		}
	}
	return k
}

// Describe implements [prometheus.Collector].
func (k *clusterCollector) Describe(ch chan<- *prometheus.Desc) {
	describe(ch, k.own)
	ch <- k.errors.desc
	ch <- k.info
	ch <- k.states
	describe(ch, k.nodes)
	describe(ch, k.conns)
}

// Collect implements [prometheus.Collector].
func (k *clusterCollector) Collect(ch chan<- prometheus.Metric) { k.scrape().send(ch) }

// scrape gathers all series.
func (k *clusterCollector) scrape() scrape {
	s := k.cluster.Stats()
	out := make(scrape, 0, len(k.own)+len(k.errors.labels)+1+len(k.stateNames)+len(s.Nodes)*len(k.nodes)+s.Conns*len(k.conns))
	read(&out, k.own, k.constant, &s)
	k.errors.read(&out, &s.Totals.Errors)
	if s.ID != "" {
		out.add(k.info, prometheus.MakeLabelPairs(k.info, []string{clean(s.ID)}), 1, false)
	}
	var states [len(k.stateNames)]int
	for i := range s.Nodes {
		states[s.Nodes[i].State]++
	}
	for state, n := range states {
		out.add(k.states, k.stateNames[state], float64(n), false)
	}
	if k.cfg.NoNodes {
		return out
	}
	for i := range s.Nodes {
		k.scrapeNode(&out, &s.Nodes[i])
	}
	return out
}

// scrapeNode adds the series of one node.
func (k *clusterCollector) scrapeNode(out *scrape, n *kio.NodeStats) {
	read(out, k.nodes, prometheus.MakeLabelPairs(k.nodes[0].desc, nameOf(n)), n)
	if !k.cfg.Conns {
		return
	}
	for i := range n.Conns {
		c := &n.Conns[i]
		slot := 0 // the open connections of the class that are older
		for j := range i {
			if n.Conns[j].Class == c.Class {
				slot++
			}
		}
		read(out, k.conns, prometheus.MakeLabelPairs(k.conns[0].desc, append(nameOf(n), c.Class.String(), decimal(slot))), &c.Stats)
	}
}

// nameOf are the values of nodeLabels.
func nameOf(n *kio.NodeStats) []string { return []string{decimal(int(n.ID)), clean(n.Addr)} }

func decimal(n int) string { return strconv.Itoa(n) }
