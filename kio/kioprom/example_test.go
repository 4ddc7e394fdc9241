package kioprom_test

import (
	"context"
	"fmt"
	"log"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/kio/kioprom"
)

func ExampleNewClusterCollector() {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.ClusterID("orders-1"))
	if err != nil {
		log.Fatal(err)
	}
	defer brokers.Close()
	c, err := kio.OpenCluster(context.Background(), brokers.ListenAddrs(), kio.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	registry := prometheus.NewRegistry() // promhttp.HandlerFor serves it
	registry.MustRegister(kioprom.NewClusterCollector(c, kioprom.ClusterConfig{
		ConstLabels: prometheus.Labels{"cluster": "orders"},
	}))

	c.Each(context.Background(), kmsg.NewPtrApiVersionsRequest()) // to connect to all
	err = testutil.GatherAndCompare(registry, strings.NewReader(`
# HELP kafkaio_cluster_info 1 for the id that the cluster gives itself.
# TYPE kafkaio_cluster_info gauge
kafkaio_cluster_info{cluster="orders",cluster_id="orders-1"} 1
# HELP kafkaio_cluster_nodes Nodes, by how they can be reached.
# TYPE kafkaio_cluster_nodes gauge
kafkaio_cluster_nodes{cluster="orders",state="backing off"} 0
kafkaio_cluster_nodes{cluster="orders",state="connected"} 3
kafkaio_cluster_nodes{cluster="orders",state="connecting"} 0
kafkaio_cluster_nodes{cluster="orders",state="idle"} 0
`), "kafkaio_cluster_info", "kafkaio_cluster_nodes")
	fmt.Println("different:", err)
	// Output: different: <nil>
}

func ExampleNewRequestMetrics() {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer brokers.Close()

	requests := kioprom.NewRequestMetrics(kioprom.RequestConfig{})
	b, err := kio.DialBroker(context.Background(), brokers.ListenAddrs()[0], kio.Config{
		Hooks: requests.Hooks(&kio.Hooks{ // hooks of one's own, which are told afterwards
			OnRequest: func(_ kio.ConnInfo, r kio.RequestInfo) { fmt.Println(kmsg.NameForKey(r.Key), r.Err) },
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), b); err != nil {
		log.Fatal(err)
	}

	registry := prometheus.NewRegistry()
	registry.MustRegister(requests)
	families, err := registry.Gather()
	if err != nil {
		log.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() != "kafkaio_request_seconds" {
			continue
		}
		for _, m := range f.GetMetric() {
			fmt.Println(f.GetName(), m.GetLabel()[0].GetValue(), m.GetHistogram().GetSampleCount())
		}
	}
	// Output:
	// ApiVersions <nil>
	// Metadata <nil>
	// kafkaio_request_seconds ApiVersions 1
	// kafkaio_request_seconds Metadata 1
}

func ExampleNewEngineCollector() {
	engine, err := kio.NewEngine(kio.EngineConfig{Loops: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer engine.Close()
	registry := prometheus.NewRegistry()
	registry.MustRegister(kioprom.NewEngineCollector(engine, nil))
	fmt.Println(testutil.GatherAndCount(registry, "kafkaio_engine_request_errors_total"))
	// Output: 10 <nil>
}

func ExampleNewBrokerCollector() {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		log.Fatal(err)
	}
	defer brokers.Close()
	b, err := kio.DialBroker(context.Background(), brokers.ListenAddrs()[0], kio.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	fmt.Println(testutil.CollectAndCount(kioprom.NewBrokerCollector(b, nil), "kafkaio_broker_connected"))
	// Output: 1
}
