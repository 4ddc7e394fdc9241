package main

import (
	"context"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"kafkaio/frame"
	"kafkaio/kio"
)

// wakeDelay is longer than a quarter of most round trips, so that these are what bounds it.
const wakeDelay = 5 * time.Millisecond

// dialOurs opens the connections of a job.
func dialOurs(ctx context.Context, j job) ([]*kio.Broker, error) {
	cfg := kio.Config{Timeout: timeout, DialTimeout: timeout, ClientID: clientID}
	cfg.TLS = j.tls
	if j.user != "" {
		cfg.SASL = []sasl.Mechanism{plain.Auth{User: j.user, Pass: j.pass}.AsMechanism()}
	}
	switch j.peer {
	case oursNever:
		cfg.BusyPoll = -1
	case oursDelay, oursSubmitDelay:
		cfg.WakeDelay = wakeDelay
	case oursGnet:
		e, err := kio.NewEngine(kio.EngineConfig{Driver: kio.DriverGnet}) // lives as long as the process
		if err != nil {
			return nil, err
		}
		cfg.Engine = e
	}
	brokers := make([]*kio.Broker, j.shape.conns)
	err := openEach(len(brokers), func(i int) (err error) {
		brokers[i], err = kio.DialBroker(ctx, j.addr, cfg)
		return err
	})
	return brokers, err
}

// openOurs makes callers of Broker.Request: typed requests and answers, as the other clients have them.
func openOurs(ctx context.Context, j job) (*client, error) {
	brokers, err := dialOurs(ctx, j)
	if err != nil {
		return nil, err
	}
	c := &client{keep: brokers}
	for i := range j.shape.callers {
		b, r, background := brokers[i%len(brokers)], j.request(), context.Background()
		c.callers = append(c.callers, func() error {
			renew(r)
			return verify(b.Request(background, r))
		})
	}
	return c, nil
}

// openOursRaw makes callers of Broker.RoundTrip: bytes in, bytes out, what the transport alone costs.
func openOursRaw(ctx context.Context, j job) (*client, error) {
	brokers, request, err := dialOursRaw(ctx, j)
	if err != nil {
		return nil, err
	}
	c := &client{keep: brokers}
	for i := range j.shape.callers {
		b, own, background := brokers[i%len(brokers)], slices.Clone(request), context.Background()
		c.callers = append(c.callers, func() error {
			_, err := b.RoundTrip(background, own)
			return err
		})
	}
	return c, nil
}

// dialOursRaw also gives the request in bytes, without the size prefix.
func dialOursRaw(ctx context.Context, j job) (brokers []*kio.Broker, request []byte, err error) {
	if brokers, err = dialOurs(ctx, j); err != nil {
		return nil, nil, err
	}
	if request, err = negotiated(ctx, brokers[0], j); err != nil {
		return nil, nil, err
	}
	return brokers, request[frame.SizeBytes:], nil
}

// openOursSubmit asks by Broker.Submit: as openOursRaw, and nobody waits for an answer.
func openOursSubmit(ctx context.Context, j job) (*client, error) {
	brokers, request, err := dialOursRaw(ctx, j)
	if err != nil {
		return nil, err
	}
	c := &client{keep: brokers}
	for i := range j.shape.callers {
		b, own := brokers[i%len(brokers)], slices.Clone(request)
		c.submits = append(c.submits, func(done func(error)) error {
			return b.Submit(own, time.Now().Add(timeout), func(_ []byte, err error) { done(err) })
		})
	}
	return c, nil
}

// negotiated is the job's request as it is on the wire. It is asked once as the others do, to learn the version that both sides take.
func negotiated(ctx context.Context, b *kio.Broker, j job) ([]byte, error) {
	r := j.request()
	resp, err := b.Request(ctx, r)
	if err := verify(resp, err); err != nil {
		return nil, err
	}
	r.SetVersion(resp.GetVersion())
	return encode(r), nil
}
