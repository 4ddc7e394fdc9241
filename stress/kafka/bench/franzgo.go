package main

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
)

// kgoOptions reach the listener of a job.
func kgoOptions(j job) []kgo.Opt {
	o := []kgo.Opt{
		kgo.SeedBrokers(slices.Repeat([]string{j.addr}, max(j.shape.conns, 1))...), kgo.ClientID(clientID), kgo.DialTimeout(timeout),
		kgo.ConnIdleTimeout(15 * time.Minute), kgo.MetadataMaxAge(time.Hour),
	}
	if j.tls != nil {
		o = append(o, kgo.DialTLSConfig(j.tls))
	}
	if j.user != "" {
		o = append(o, kgo.SASL(plain.Auth{User: j.user, Pass: j.pass}.AsMechanism()))
	}
	return o
}

// openFranzGo makes one client with a seed broker for each connection: kgo keeps one connection to a broker for requests of a kind, and pipelines the
// callers on it.
func openFranzGo(_ context.Context, j job) (*client, error) {
	cl, err := kgo.NewClient(kgoOptions(j)...)
	if err != nil {
		return nil, err
	}
	brokers := cl.SeedBrokers()
	// A connection is opened by its first request.
	if err := openEach(len(brokers), func(i int) error { return askFranzGo(brokers[i], j.request()) }); err != nil {
		return nil, err
	}
	c := &client{keep: cl}
	for i := range j.shape.callers {
		b, r := brokers[i%len(brokers)], j.request()
		c.callers = append(c.callers, func() error {
			renew(r)
			return askFranzGo(b, r)
		})
	}
	return c, nil
}

func askFranzGo(b *kgo.Broker, r kmsg.Request) error {
	return verify(b.Request(context.Background(), r))
}
