// Package sarama does the work by sarama's Broker.
package sarama

import (
	"context"

	"github.com/IBM/sarama"

	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// Open opens a Broker for each connection. The number of requests in flight is
// raised to the number of callers: the default of 5 would hold them back.
func Open(ctx context.Context, e peer.Env) (*peer.Client, error) {
	w := e.Work
	cfg := sarama.NewConfig()
	cfg.ClientID = work.ClientID
	cfg.Version = sarama.V2_4_0_0 // the first with Heartbeat v4
	cfg.Net.DialTimeout = peer.DialTimeout
	cfg.Net.MaxOpenRequests = max(cfg.Net.MaxOpenRequests, w.Callers/w.Conns)
	if w.Brokers > 0 {
		return openBrokers(e, cfg)
	}
	brokers := make([]*sarama.Broker, w.Conns)
	err := e.OpenAll(len(brokers), func(i int) error {
		brokers[i] = sarama.NewBroker(e.Addr(i))
		if err := brokers[i].Open(cfg); err != nil {
			return err
		}
		return call(brokers[i])()
	})
	c := &peer.Client{Keep: brokers}
	if err != nil || w.Idle {
		return c, err
	}
	for i := range w.Callers {
		c.Callers = append(c.Callers, call(brokers[i%len(brokers)]))
	}
	return c, ctx.Err()
}

func call(b *sarama.Broker) func() error {
	req := &sarama.HeartbeatRequest{
		Version: work.HeartbeatVersion, GroupId: work.Group, GenerationId: 1, MemberId: work.MemberID,
	}
	return func() error {
		_, err := b.Heartbeat(req)
		return err
	}
}
