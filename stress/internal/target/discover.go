package target

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/internal/workload"
)

// PartitionsPerBroker is how many partitions a topic of ours has for each broker. Guessed: enough that leaders spread evenly.
const PartitionsPerBroker = 4

// retryInterval is the time between two questions whether a new topic has its leaders. Guessed.
const retryInterval = 100 * time.Millisecond

// Config says what to look for.
type Config struct {
	Seeds     []string // host:port
	Topic     string
	NeedTopic bool // create the topic where it is missing; else it is not asked for
	Kio       kio.Config
}

// Broker is one node of the cluster.
type Broker struct {
	ID   int32
	Addr string // as advertised
	workload.Target
}

// Cluster is what was found.
type Cluster struct {
	Brokers    []Broker // by ID
	Partitions int      // of the topic
	Leaderless int      // of these, without a leader: they are not used
	Created    bool     // the topic was created
}

// Discover looks at a cluster. The context bounds all of it. The error says which step failed, with whom, and wraps the cause.
func Discover(ctx context.Context, cfg Config) (*Cluster, error) {
	s, err := firstSeed(ctx, cfg)
	if err != nil {
		return nil, err
	}
	defer s.close()
	m, created, err := s.topology(ctx, cfg)
	if err != nil {
		return nil, err
	}
	c := &Cluster{Created: created}
	if len(m.Brokers) == 0 {
		return nil, fmt.Errorf("%s lists no brokers in its Metadata", s.Addr())
	}
	for _, b := range m.Brokers {
		c.Brokers = append(c.Brokers, Broker{
			ID:     b.NodeID,
			Addr:   address(b.Host, b.Port),
			Target: workload.Target{Topic: cfg.Topic},
		})
	}
	slices.SortFunc(c.Brokers, func(a, b Broker) int { return int(a.ID) - int(b.ID) })
	if cfg.NeedTopic {
		c.assign(topicOf(m, cfg.Topic))
	}
	for i := range c.Brokers {
		if err := c.Brokers[i].ask(ctx, cfg.Kio); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// assign gives each broker the partitions that it leads.
func (c *Cluster) assign(t *kmsg.MetadataResponseTopic) {
	c.Partitions = len(t.Partitions)
	for i := range c.Brokers {
		b := &c.Brokers[i]
		b.TopicID = t.TopicID
		for _, p := range t.Partitions {
			if p.Leader == b.ID {
				b.Partitions = append(b.Partitions, workload.Partition{ID: p.Partition})
			}
		}
		slices.SortFunc(b.Partitions, func(x, y workload.Partition) int { return int(x.ID) - int(y.ID) })
	}
	for _, p := range t.Partitions {
		if !slices.ContainsFunc(c.Brokers, func(b Broker) bool { return b.ID == p.Leader }) {
			c.Leaderless++
		}
	}
}

// ask finds out the versions of a broker and the first offsets of its partitions.
func (b *Broker) ask(ctx context.Context, cfg kio.Config) error {
	s, err := open(ctx, b.Addr, cfg)
	if err != nil {
		return fmt.Errorf("broker %d, which the cluster's Metadata lists: %w", b.ID, err)
	}
	defer s.close()
	b.Versions = s.versions
	if err := s.firstOffsets(ctx, &b.Target); err != nil {
		return fmt.Errorf("broker %d: %w", b.ID, err)
	}
	return nil
}

// firstSeed opens the first seed that answers; where none does, the error has the reason of each.
func firstSeed(ctx context.Context, cfg Config) (*session, error) {
	var failed []error
	for _, addr := range cfg.Seeds {
		s, err := open(ctx, addr, cfg.Kio)
		if err == nil {
			return s, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failed...)
}

// topology asks for Metadata, with the topic where that is needed: created if it was missing, and with all its leaders.
func (s *session) topology(ctx context.Context, cfg Config) (m *kmsg.MetadataResponse, created bool, err error) {
	for {
		if m, err = s.metadata(ctx, cfg); err != nil || !cfg.NeedTopic {
			return m, created, err
		}
		t := topicOf(m, cfg.Topic)
		switch {
		case t == nil || t.ErrorCode == kerr.UnknownTopicOrPartition.Code:
			if !created {
				if err := s.createTopic(ctx, cfg, m); err != nil {
					return nil, false, err
				}
				created = true
			}
		case t.ErrorCode != 0 && t.ErrorCode != kerr.LeaderNotAvailable.Code:
			return nil, created, fmt.Errorf("%s does not give the Metadata of topic %q: %w", s.Addr(), cfg.Topic, kerr.ErrorForCode(t.ErrorCode))
		case !created || complete(t, m):
			return m, created, nil
		}
		select {
		case <-time.After(retryInterval):
		case <-ctx.Done():
			return nil, created, fmt.Errorf("topic %q was created but has no leaders yet: %w", cfg.Topic, context.Cause(ctx))
		}
	}
}

// createTopic creates the topic through the controller.
func (s *session) createTopic(ctx context.Context, cfg Config, m *kmsg.MetadataResponse) error {
	fail := func(err error) error {
		return fmt.Errorf("topic %q does not exist and cannot be created: %w", cfg.Topic, err)
	}
	controller := s
	for _, b := range m.Brokers {
		if addr := address(b.Host, b.Port); b.NodeID == m.ControllerID && addr != s.Addr() {
			c, err := open(ctx, addr, cfg.Kio)
			if err != nil {
				return fail(err)
			}
			defer c.close()
			controller = c
		}
	}
	version, err := controller.versions.Choose(kmsg.CreateTopics)
	if err != nil {
		return fail(err)
	}
	t := kmsg.NewCreateTopicsRequestTopic()
	t.Topic, t.NumPartitions = cfg.Topic, int32(PartitionsPerBroker*len(m.Brokers))
	t.ReplicationFactor = 1
	if version >= 4 { // from which on -1 is the cluster's default (KIP-464)
		t.ReplicationFactor = -1
	}
	r := kmsg.NewPtrCreateTopicsRequest()
	r.SetVersion(version)
	r.TimeoutMillis = int32(cfg.Kio.Timeout.Milliseconds())
	r.Topics = append(r.Topics, t)
	response, err := r.RequestWith(ctx, controller)
	if err != nil {
		return fail(err)
	}
	for _, t := range response.Topics {
		if t.ErrorCode != 0 && t.ErrorCode != kerr.TopicAlreadyExists.Code {
			err := kerr.ErrorForCode(t.ErrorCode)
			if t.ErrorMessage != nil {
				err = fmt.Errorf("%w (%s)", err, *t.ErrorMessage)
			}
			return fail(err)
		}
	}
	return nil
}

func address(host string, port int32) string {
	return net.JoinHostPort(host, strconv.Itoa(int(port)))
}
