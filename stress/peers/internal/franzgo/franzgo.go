// Package franzgo does the work by franz-go's kgo client.
package franzgo

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// Open makes one client with a seed broker for each connection: kgo keeps one
// connection to a broker for requests of this kind, and pipelines the callers
// on it.
func Open(ctx context.Context, e peer.Env) (*peer.Client, error) {
	w := e.Work
	seeds := make([]string, w.Conns)
	for i := range seeds {
		seeds[i] = e.Addr(i)
	}
	if w.Brokers > 0 {
		seeds = seeds[:1]
	}
	opts := []kgo.Opt{
		kgo.SeedBrokers(seeds...),
		kgo.ClientID(work.ClientID),
		kgo.DialTimeout(peer.DialTimeout),
		kgo.ConnIdleTimeout(15 * time.Minute),
		kgo.MetadataMaxAge(time.Hour),
	}
	if e.TLS != nil {
		opts = append(opts, kgo.DialTLSConfig(e.TLS))
	}
	cl, err := kgo.NewClient(opts...)
	if err != nil {
		return nil, err
	}
	if w.Brokers > 0 {
		return openBrokers(ctx, e, cl)
	}
	brokers := cl.SeedBrokers()
	call := func(b *kgo.Broker) func() error {
		var req kmsg.Request = work.Heartbeat()
		if w.FetchBytes > 0 {
			req = work.Fetch()
		}
		background := context.Background()
		return func() error {
			_, err := b.Request(background, req)
			return err
		}
	}
	// A connection is opened by its first request.
	err = e.OpenAll(len(brokers), func(i int) error {
		b := brokers[i]
		if err := call(b)(); err != nil {
			return err
		}
		return e.Touch(func([]byte) func() error { return call(b) })
	})
	if err != nil {
		return nil, err
	}
	c := &peer.Client{Keep: cl}
	if !w.Idle {
		for i := range w.Callers {
			c.Callers = append(c.Callers, call(brokers[i%len(brokers)]))
		}
	}
	return c, ctx.Err()
}
