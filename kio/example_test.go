package kio_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log"
	"net"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"kafkaio/kio"
)

// kafka starts a broker in process and gives its address.
func kafka() (addr string, stop func()) {
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "events"))
	if err != nil {
		log.Fatal(err)
	}
	return c.ListenAddrs()[0], c.Close
}

func ExampleDialBroker() {
	addr, stop := kafka()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	b, err := kio.DialBroker(ctx, addr, kio.Config{})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	r := kmsg.NewPtrMetadataRequest() // nil topics: all of them
	metadata, err := r.RequestWith(ctx, b)
	if err != nil {
		log.Fatal(err)
	}
	for _, t := range metadata.Topics {
		fmt.Printf("%s has %d partitions\n", *t.Topic, len(t.Partitions))
	}
	// Output: events has 3 partitions
}

func ExampleDialBroker_sasl() {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.EnableSASL(), kfake.Superuser("SCRAM-SHA-512", "alice", "wonderland"))
	if err != nil {
		log.Fatal(err)
	}
	defer cluster.Close()

	b, err := kio.DialBroker(context.Background(), cluster.ListenAddrs()[0], kio.Config{
		// TLS: &tls.Config{RootCAs: …}, which this broker does not speak
		SASL: []sasl.Mechanism{
			scram.Auth{User: "alice", Pass: "wonderland"}.AsSha512Mechanism(),
			scram.Auth{User: "alice", Pass: "wonderland"}.AsSha256Mechanism(), // where the broker has no SHA-512
		},
	})
	if err != nil {
		log.Fatal(err) // says which step failed, what the broker said, and what to look at
	}
	defer b.Close()

	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), b)
	if err != nil {
		log.Fatal(err)
	}
	_, highest, _ := b.Versions(int16(kmsg.Metadata))
	fmt.Println(len(metadata.Brokers), "broker;", metadata.GetVersion() == highest)
	// Output: 1 broker; true
}

func ExampleDial() {
	addr, stop := kafka()
	defer stop()

	c, err := kio.Dial(context.Background(), addr, kio.Config{Timeout: 10 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	// ApiVersions, version 0: size, key, version, correlation id, no client id.
	request := []byte{0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 42, 0xff, 0xff}
	if _, err := c.Send(request, 0); err != nil {
		log.Fatal(err)
	}
	size, err := c.Receive(4, 0)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := c.Receive(int(binary.BigEndian.Uint32(size)), 0)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("correlation id", binary.BigEndian.Uint32(answer), "error code", binary.BigEndian.Uint16(answer[4:]))
	// Output: correlation id 42 error code 0
}

func ExampleDialer() {
	addr, stop := kafka()
	defer stop()

	d := kio.Dialer{Config: kio.Config{DialTimeout: 5 * time.Second}}
	c, err := d.DialContext(context.Background(), "tcp", addr) // as kgo.Dialer(d.DialContext) would
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	fmt.Println(c.RemoteAddr().String() == addr)
	// Output: true
}

func ExampleParseDebug() {
	d, err := kio.ParseDebug("2, IO:1")
	fmt.Println(d.Level, err)
	// Output: 1 <nil>
}

func ExampleNewEngine() {
	e, err := kio.NewEngine(kio.EngineConfig{Loops: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer e.Close()
	fmt.Println(e.Loops(), "loops,", e.Conns(), "connections")
	// Output: 2 loops, 0 connections
}

func ExampleHooks() {
	addr, stop := kafka()
	defer stop()

	// Metrics of one's own: hooks run on event loops, so that they count and go.
	var requests, failed, bytes atomic.Int64
	gone := make(chan error, 1)
	b, err := kio.DialBroker(context.Background(), addr, kio.Config{Hooks: &kio.Hooks{
		OnConnect: func(c kio.ConnInfo, _ time.Duration, err error) {
			fmt.Println("connected:", c.Remote == addr, err)
		},
		OnRequest: func(_ kio.ConnInfo, r kio.RequestInfo) {
			if r.Err != nil {
				failed.Add(1)
			}
			if r.Key == int16(kmsg.Metadata) {
				requests.Add(1)
			}
			bytes.Add(int64(r.BytesSent + r.BytesReceived))
		},
		OnDisconnect: func(_ kio.ConnInfo, cause error) { gone <- cause },
	}})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		if _, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), b); err != nil {
			log.Fatal(err)
		}
	}
	s := b.Stats()
	_ = b.Close()
	fmt.Println("disconnected:", errors.Is(<-gone, net.ErrClosed))
	fmt.Println(requests.Load(), "requests,", failed.Load(), "failed,", bytes.Load() == int64(s.BytesSent+s.BytesRead))
	// Output:
	// connected: true <nil>
	// disconnected: true
	// 3 requests, 0 failed, true
}
