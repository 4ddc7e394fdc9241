package kio_test

import (
	"context"
	"crypto/tls"
	"fmt"
	"log"
	"os"
	"text/tabwriter"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"kafkaio/kio"
)

func ExampleOpenCluster() {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(6, "events"))
	if err != nil {
		log.Fatal(err)
	}
	defer brokers.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := kio.OpenCluster(ctx, brokers.ListenAddrs()[:1], kio.Config{}) // one address finds them all
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	leader, err := c.Leader(ctx, "events", 4)
	if err != nil {
		log.Fatal(err)
	}
	r := kmsg.NewPtrListOffsetsRequest()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = "events"
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Partition, partition.Timestamp = 4, -1 // the end
	topic.Partitions = append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	offsets, err := r.RequestWith(ctx, c.To(leader))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(c.Nodes()), "nodes; the partition ends at", offsets.Topics[0].Partitions[0].Offset)
	// Output: 3 nodes; the partition ends at 0
}

func ExampleCluster_Each() {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		log.Fatal(err)
	}
	defer brokers.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second) // for all of them
	defer cancel()
	c, err := kio.OpenCluster(ctx, brokers.ListenAddrs(), kio.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	for _, n := range c.Each(ctx, kmsg.NewPtrDescribeClusterRequest()) {
		if n.Err != nil {
			fmt.Println("node", n.Node.ID, n.Err)
			continue
		}
		fmt.Println("node", n.Node.ID, "knows", len(n.Response.(*kmsg.DescribeClusterResponse).Brokers), "brokers")
	}
	// Output:
	// node 0 knows 3 brokers
	// node 1 knows 3 brokers
	// node 2 knows 3 brokers
}

// A probe of a thousand brokers that need not belong together, with a table of what each took to answer.
func ExampleOpenCluster_probe() {
	brokers, err := kfake.NewCluster(kfake.NumBrokers(1000))
	if err != nil {
		log.Fatal(err)
	}
	defer brokers.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()

	var cfg kio.Config
	cfg.Cluster.Standalone = true // they are what the list says, and nobody is asked for others
	c, err := kio.OpenCluster(ctx, brokers.ListenAddrs(), cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	c.Each(ctx, kmsg.NewPtrApiVersionsRequest())            // connects
	results := c.Each(ctx, kmsg.NewPtrApiVersionsRequest()) // asks, each over its connection

	table := tabwriter.NewWriter(os.Stderr, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "broker\ttook\terror")
	answered := 0
	for _, n := range results {
		if n.Err == nil {
			answered++
		}
		if n.Err != nil || n.Node.ID < 3 { // all of them would be a long example
			_, _ = fmt.Fprintf(table, "%s\t%v\t%v\n", n.Node.Addr, n.Elapsed.Round(time.Microsecond), n.Err)
		}
	}
	_ = table.Flush()
	fmt.Println(answered, "of", len(results), "brokers have answered, over", c.Stats().Conns, "connections")
	// Output: 1000 of 1000 brokers have answered, over 1000 connections
}

func ExampleOpenCluster_tlsAndSASL() {
	authority := newAuthority(fatal{}) // as your own would be
	brokers, err := kfake.NewCluster(kfake.NumBrokers(3),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{authority.server(time.Time{})}}),
		kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "alice", "wonderland"))
	if err != nil {
		log.Fatal(err)
	}
	defer brokers.Close()

	c, err := kio.OpenCluster(context.Background(), brokers.ListenAddrs(), kio.Config{
		TLS:  &tls.Config{RootCAs: authority.pool},
		SASL: []sasl.Mechanism{scram.Auth{User: "alice", Pass: "wonderland"}.AsSha512Mechanism()},
	})
	if err != nil {
		log.Fatal(err) // names each seed, the step at which it failed, and what to look at
	}
	defer c.Close()

	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), c) // any node will do
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(metadata.Brokers), "brokers, each reached over TLS and authenticated")
	// Output: 3 brokers, each reached over TLS and authenticated
}

// fatal is a failer that ends an example.
type fatal struct{}

func (fatal) Helper()           {}
func (fatal) Fatal(args ...any) { log.Fatal(args...) }
