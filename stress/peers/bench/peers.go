package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"kafkaio/stress/peers/internal/franzgo"
	"kafkaio/stress/peers/internal/kafkago"
	"kafkaio/stress/peers/internal/netconn"
	"kafkaio/stress/peers/internal/own"
	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/sarama"
	"kafkaio/stress/peers/internal/work"
)

// others are the clients in Go that are not ours.
var others = []struct {
	name, about string
	open        peer.Opener
}{
	{work.FranzGo, "franz-go v1.22.2, kgo.Broker.Request", franzgo.Open},
	{work.Sarama, "sarama v1.61.1, Broker.Heartbeat", sarama.Open},
	{work.KafkaGo, "kafka-go v0.4.51, Transport.RoundTrip, a connection for each request in flight", kafkago.Open},
	{work.NetConn, "net.Conn, a goroutine per connection that writes and reads", netconn.Open},
	{work.CryptoTLS, "tls.Conn, a goroutine per connection that writes and reads", netconn.Open},
	{work.NetConnReader, "net.Conn, a goroutine that reads, a mutex around writes, callers share it", netconn.OpenReader},
}

// opener returns what opens a client written in Go.
func opener(name string) (peer.Opener, error) {
	for _, v := range own.Variants {
		if v.Name == name {
			return own.Opener(v), nil
		}
	}
	for _, p := range others {
		if p.name == name {
			return p.open, nil
		}
	}
	return nil, fmt.Errorf("no peer %q", name)
}

// peerNames lists all peers, C included.
func peerNames() []string {
	var names []string
	for _, v := range own.Variants {
		names = append(names, v.Name)
	}
	for _, p := range others {
		names = append(names, p.name)
	}
	return append(names, cNames()...)
}

func cNames() []string {
	var names []string
	for n := range work.Yardsticks {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// writeList says what the flags may name.
func writeList(out io.Writer) error {
	var b strings.Builder
	line := func(name, about string) { _, _ = fmt.Fprintf(&b, "  %-18s %s\n", name, about) }
	b.WriteString("works:\n")
	for _, w := range work.All {
		line(w.Name, w.Title)
	}
	b.WriteString("peers:\n")
	for _, v := range own.Variants {
		line(v.Name, "ours, "+v.About)
	}
	for _, p := range others {
		line(p.name, p.about)
	}
	for _, n := range cNames() {
		line(n, "C, mode "+work.Yardsticks[n]+" of yardstick.c")
	}
	_, err := io.WriteString(out, b.String())
	return err
}
