package kio_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

func ExampleAddrMap() {
	tunnel, stop := kafka() // where a tunnel to the broker ends
	defer stop()

	addrs, err := kio.AddrMap(map[string]string{"broker-1.internal:9092": tunnel})
	if err != nil {
		log.Fatal(err)
	}
	b, err := kio.DialBroker(context.Background(), "broker-1.internal:9092", kio.Config{MapAddr: addrs})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	fmt.Println(b.Addr(), b.RemoteAddr().String() == tunnel)
	// Output: broker-1.internal:9092 true
}

func ExampleSOCKS5() {
	addr, stop := kafka()
	defer stop()
	s := &socksServer{user: "alice", password: "wonderland", names: map[string]string{"broker-1.internal": addr}} // what only the proxy knows
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	go s.accept(ln)
	defer s.close()

	dialer, err := kio.SOCKS5(kio.SOCKS5Config{Addr: ln.Addr().String(), User: "alice", Password: "wonderland"})
	if err != nil {
		log.Fatal(err)
	}
	b, err := kio.DialBroker(context.Background(), "broker-1.internal:9092", kio.Config{Dialer: dialer})
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()
	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), b)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(metadata.Brokers), "broker")

	_, err = kio.DialBroker(context.Background(), "broker-2.internal:9092", kio.Config{Dialer: dialer})
	var refused *kio.ProxyError
	if errors.As(err, &refused) {
		fmt.Println(refused.Step, "for", refused.Target, "fails:", refused.Reply)
	}
	// Output:
	// 1 broker
	// request for broker-2.internal:9092 fails: host unreachable
}
