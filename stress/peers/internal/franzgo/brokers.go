package franzgo

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// openBrokers makes one client that learns of the brokers by Metadata, and opens the connection to each by a request that is answered.
func openBrokers(ctx context.Context, e peer.Env, cl *kgo.Client) (*peer.Client, error) {
	m := kmsg.NewPtrMetadataRequest()
	m.Topics = []kmsg.MetadataRequestTopic{}
	if _, err := cl.Request(ctx, m); err != nil {
		return nil, err
	}
	brokers := cl.DiscoveredBrokers()
	if len(brokers) < e.Work.Brokers {
		return nil, fmt.Errorf("%d brokers in Metadata, want %d", len(brokers), e.Work.Brokers)
	}
	brokers = brokers[:e.Work.Brokers]
	err := e.OpenAll(len(brokers), func(i int) error {
		_, err := brokers[i].Request(ctx, kmsg.NewPtrApiVersionsRequest())
		return err
	})
	c := &peer.Client{Keep: cl}
	if err != nil || !e.Work.Busy {
		return c, err
	}
	for _, b := range brokers {
		var request kmsg.Request = work.Heartbeat()
		c.Callers = append(c.Callers, func() error {
			_, err := b.Request(context.Background(), request)
			return err
		})
	}
	return c, nil
}
