package own

import (
	"context"
	"fmt"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// connectLimit is how long all connections of a Cluster may take.
const connectLimit = time.Minute

// openCluster makes one Cluster that keeps a connection open to each broker, opened as users do, with ApiVersions.
func openCluster(ctx context.Context, e peer.Env, cfg kio.Config) (*peer.Client, error) {
	cfg.OpenRaw = false
	cfg.Cluster = kio.ClusterConfig{Standalone: true, HoldOpen: 1}
	cluster, err := kio.OpenCluster(ctx, e.Addrs[:e.Work.Brokers], cfg)
	if err != nil {
		return nil, err
	}
	if err := awaitAll(ctx, cluster, e.Work.Brokers); err != nil {
		return nil, err
	}
	c := &peer.Client{Keep: cluster}
	if !e.Work.Busy {
		return c, nil
	}
	for i := range e.Work.Callers {
		node := int32(i)
		if e.Work.API == work.Submit {
			b, err := cluster.Broker(ctx, node, kio.ClassShort)
			if err != nil {
				return nil, err
			}
			c.Pumps = append(c.Pumps, pump(b, e.Frame()[4:]))
		} else {
			c.Callers = append(c.Callers, requestTo(cluster, node))
		}
	}
	return c, nil
}

// requestTo asks a node as users do.
func requestTo(cluster *kio.Cluster, node int32) func() error {
	var request kmsg.Request = work.Heartbeat()
	background := context.Background()
	return func() error {
		_, err := cluster.RequestTo(background, node, request)
		return err
	}
}

// awaitAll returns when each node is connected.
func awaitAll(ctx context.Context, cluster *kio.Cluster, nodes int) error {
	ctx, cancel := context.WithTimeout(ctx, connectLimit)
	defer cancel()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		s := cluster.Stats()
		if s.Connected == nodes {
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("%d of %d brokers connected: %w", s.Connected, nodes, context.Cause(ctx))
		}
	}
}
