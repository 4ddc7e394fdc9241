package embedded

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Config shapes a cluster.
type Config struct {
	Brokers    int
	Topic      string
	Partitions int
	Batch      []byte // the record batch that Fetch returns
}

// Cluster is running brokers. Safe for concurrent use.
type Cluster struct{ fake *kfake.Cluster }

// Start runs brokers that share the partitions of the topic evenly. Close ends them.
func Start(cfg Config) (*Cluster, error) {
	fake, err := kfake.NewCluster(
		kfake.NumBrokers(cfg.Brokers),
		kfake.SeedTopics(int32(cfg.Partitions), cfg.Topic),
		kfake.BlackholeProduce(),
		kfake.SyntheticFetch(kfake.SyntheticBatch{Batch: cfg.Batch}),
	)
	if err != nil {
		return nil, fmt.Errorf("start %d brokers in this process: %w", cfg.Brokers, err)
	}
	for p := range cfg.Partitions { // kfake's own choice of leaders is random and may leave a broker without any
		if err := fake.MoveTopicPartition(cfg.Topic, int32(p), int32(p%cfg.Brokers)); err != nil {
			fake.Close()
			return nil, fmt.Errorf("give partition %d to broker %d: %w", p, p%cfg.Brokers, err)
		}
	}
	return &Cluster{fake}, nil
}

// Addrs are the brokers' host:port.
func (c *Cluster) Addrs() []string { return c.fake.ListenAddrs() }

// Close ends the brokers and cuts their connections.
func (c *Cluster) Close() { c.fake.Close() }
