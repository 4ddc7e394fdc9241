// Package own does the work by kio.
package own

import (
	"context"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// timeout is long enough that no deadline passes while thousands of callers
// share one CPU, and short enough that a hang shows.
const timeout = 20 * time.Second

// renewEvery is after how many requests of a connection the deadline given to
// Submit is taken from the clock anew, as a load generator would that reads
// the clock once a round.
const renewEvery = 8

// Opener returns what opens a variant.
func Opener(v Variant) peer.Opener {
	return func(ctx context.Context, e peer.Env) (*peer.Client, error) {
		cfg := kio.Config{
			Timeout: timeout, DialTimeout: peer.DialTimeout, ClientID: work.ClientID, TLS: e.TLS,
			OpenRaw: true, // as plain sockets and crypto/tls: what opening asks of a broker is another work
		}
		if err := v.Set(&cfg); err != nil {
			return nil, err
		}
		return open(ctx, e, cfg)
	}
}

func open(ctx context.Context, e peer.Env, cfg kio.Config) (*peer.Client, error) {
	w := e.Work
	if w.Brokers > 0 {
		return openCluster(ctx, e, cfg)
	}
	brokers := make([]*kio.Broker, w.Conns)
	err := e.OpenAll(len(brokers), func(i int) error {
		b, err := kio.DialBroker(ctx, e.Addr(i), cfg)
		if err != nil {
			return err
		}
		brokers[i] = b
		return e.Touch(func(frame []byte) func() error { return call(b, frame[4:]) })
	})
	c := &peer.Client{Keep: brokers}
	if err != nil || w.Idle {
		return c, err
	}
	for i := range w.Callers {
		b, request := brokers[i%len(brokers)], e.Frame()[4:]
		if w.API == work.Submit {
			c.Pumps = append(c.Pumps, pump(b, request))
		} else {
			c.Callers = append(c.Callers, call(b, request))
		}
	}
	return c, nil
}

func call(b *kio.Broker, request []byte) func() error {
	background := context.Background()
	return func() error {
		_, err := b.RoundTrip(background, request)
		return err
	}
}

func pump(b *kio.Broker, request []byte) peer.Pump {
	return func(done func(error)) func() error {
		finished := func(_ []byte, err error) { done(err) }
		sent := 0
		var deadline time.Time
		return func() error {
			if sent%renewEvery == 0 {
				deadline = time.Now().Add(timeout)
			}
			sent++
			return b.Submit(request, deadline, finished)
		}
	}
}
