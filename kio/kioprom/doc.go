// Package kioprom gives the statistics and hooks of kafkaio/kio to Prometheus. It is a module of its own, so that nobody who does without it has Prometheus
// among the dependencies.
//
//	requests := kioprom.NewRequestMetrics(kioprom.RequestConfig{})
//	cfg := kio.Config{Hooks: requests.Hooks(nil)} // or of your own hooks, which are told afterwards
//	c, err := kio.OpenCluster(ctx, []string{"broker-1:9092"}, cfg)
//	if err != nil {
//		return err
//	}
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(requests, kioprom.NewClusterCollector(c, kioprom.ClusterConfig{}))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//
// # Model
//
// [NewClusterCollector], [NewEngineCollector] and [NewBrokerCollector] take a snapshot at each scrape, on the goroutine of the scrape; between two scrapes they
// cost nothing. [RequestMetrics] are hooks, which run where the work is done, and count as they go. No goroutine is started, nothing has to be closed, and
// all may be scraped by several at the same time. A Cluster or an Engine that is closed shows what was last.
//
// The sums of an engine cover all connections on it, those of its Clusters included: do not add one to the other.
//
// # Series
//
//	kafkaio_cluster_…     a Cluster: nodes by state, connections, requests, errors by class, bytes, dials, metadata     about 40
//	kafkaio_node_…        a node, with the labels node and address                                                     15 each
//	kafkaio_connection_…  an open connection, with the labels node, address, class and slot, if asked for              16 each
//	kafkaio_engine_…      an engine: connections, budgets, polling, dials, and the sums over its connections           about 40
//	kafkaio_broker_…      a Broker, with the label address                                                             27 each
//	kafkaio_request_…     requests by API, with histograms of time and of its phases                                   about 100 an API
//	kafkaio_connect_…, kafkaio_disconnects_total, kafkaio_throttle_seconds                                             about 70
//
// Names have base units, counters end in _total. The labels:
//
//	node, address  the node's id, and the address that it is known by: as many as there are nodes. A node that leaves takes its series along
//	class          of errors: the ten of kio.ErrorClass; of a connection: the five of kio.Class
//	slot           which of the open connections of the class to the node, from 0, the oldest first; at most ClusterConfig.MaxConns of kio. When one ends, those behind
//	               it move up
//	state          the four of kio.NodeState
//	api            the name that kmsg has for a key, "SASLToken" for what has no header, "Unknown" for the rest: about 100 at most, as many as are sent
//	phase          queue, write, wait, read: as kio.RequestInfo has them
//	step           of opening a connection: those of kio.Step, and other
//	result         opened, failed
//
// The name of a cluster is for ConstLabels, and has to be there where two collectors of a kind meet in one registry. Nothing that a peer can invent without bound becomes a
// label, but the addresses that brokers advertise.
//
// # Counters
//
// Those of nodes begin anew when a node has been away or moves, as after a restart, which rate and increase know of. Those of a cluster are of all that it has done, and never fall: they
// are more than the sums over its nodes, when some have left, or a seed is none.
//
// # Cost
//
// A scrape of a Cluster looks at each connection, which is a system call on Linux, and makes one block of memory for all series: for 1,000 nodes about ten milliseconds, half of
// them for the snapshot. The registry takes several times as long to check and sort 15,000 series. NoNodes leaves out nearly all. A request costs five histograms' observations
// and two counters' additions, without allocation, and the looks at the clock that kio takes for OnRequest; NoPhases leaves one histogram. The Benchmarks measure all of
// it.
//
// # Errors
//
// A constant label with an invalid name, or with one of ours, is an error of Register. A scrape has none: bytes that are no UTF-8 in what a broker says of itself are
// replaced.
package kioprom
