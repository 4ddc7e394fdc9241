package kio

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leader is the node that leads a partition, for requests that must go there: Produce, Fetch, ListOffsets. It is answered from memory, and asked for where that
// is older than Config.Cluster.MetadataMaxAge or an answer to RequestTo has shown it to be wrong. While a partition has no leader, it waits for one within the deadline of
// ctx or Config.Timeout; a topic that the broker asked does not know, as one may for a moment that was just created, is an error at once. Errors are of type *Error, with a *LeaderError where the brokers name none.
func (c *Cluster) Leader(ctx context.Context, topic string, partition int32) (node int32, err error) {
	if leader, ok := c.leader(topic, partition); ok {
		return leader, nil
	}
	if c.cfg.Cluster.Standalone {
		return -1, c.trace.failed(invalid("leader", "", "the nodes of Config.Cluster.Standalone are no cluster: there is nobody to ask for leaders"))
	}
	if topic == "" || partition < 0 {
		return -1, c.trace.failed(invalid("leader", "", "topic is %q and partition %d, want a name and 0 or more", topic, partition))
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	cfg := &c.cfg.Cluster
	for try := 1; ; try++ {
		err := c.refresh(ctx, topic, time.Now())
		if err == nil {
			leader, ok := c.leader(topic, partition)
			if ok {
				return leader, nil
			}
			err = &Error{Op: "leader", Code: CodeNoConnection, Err: &LeaderError{topic, partition, c.leaderCode(topic, partition)}, unsent: true}
			if !c.electing(topic, partition) {
				return -1, c.trace.failed(err.(*Error)) //nolint:errorlint // made above
			}
		} else if !resendable(err) {
			return -1, c.trace.failed(asClusterError(err))
		}
		if cfg.NoResend || !pause(ctx, backoff(try, cfg.Backoff, cfg.MaxBackoff)) {
			return -1, c.trace.failed(asClusterError(err))
		}
	}
}

// leader looks into memory.
func (c *Cluster) leader(topic string, partition int32) (int32, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.meta.topics[topic]
	if t == nil || t.stale || partition < 0 || int(partition) >= len(t.leaders) || t.leaders[partition] < 0 {
		return -1, false
	}
	t.used = time.Now()
	if t.used.Sub(t.began) > c.cfg.Cluster.MetadataMaxAge {
		return -1, false
	}
	return t.leaders[partition], true
}

// leaderCode is why there is no leader, as the broker has it.
func (c *Cluster) leaderCode(topic string, partition int32) int16 {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.meta.topics[topic]
	switch {
	case t == nil:
		return codeUnknownTopicOrPartition
	case t.code != 0:
		return t.code
	case int(partition) >= len(t.codes):
		return codeUnknownTopicOrPartition
	default:
		return t.codes[partition]
	}
}

// electing reports whether a partition is there and will have a leader soon.
func (c *Cluster) electing(topic string, partition int32) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.meta.topics[topic]
	return t != nil && (t.code == codeLeaderNotAvailable || t.code == 0 && int(partition) < len(t.leaders))
}

// learn looks into a response for what says that the leaders have changed.
func (c *Cluster) learn(response kmsg.Response) {
	if c.cfg.Cluster.Standalone {
		return
	}
	switch response := response.(type) {
	case *kmsg.ProduceResponse:
		for i := range response.Topics {
			t := &response.Topics[i]
			for j := range t.Partitions {
				c.learnCode(t.Topic, t.TopicID, t.Partitions[j].ErrorCode)
			}
		}
	case *kmsg.FetchResponse:
		for i := range response.Topics {
			t := &response.Topics[i]
			for j := range t.Partitions {
				c.learnCode(t.Topic, t.TopicID, t.Partitions[j].ErrorCode)
			}
		}
	case *kmsg.ListOffsetsResponse:
		for i := range response.Topics {
			t := &response.Topics[i]
			for j := range t.Partitions {
				c.learnCode(t.Topic, [16]byte{}, t.Partitions[j].ErrorCode)
			}
		}
	case *kmsg.OffsetForLeaderEpochResponse:
		for i := range response.Topics {
			t := &response.Topics[i]
			for j := range t.Partitions {
				c.learnCode(t.Topic, [16]byte{}, t.Partitions[j].ErrorCode)
			}
		}
	case *kmsg.DeleteRecordsResponse:
		for i := range response.Topics {
			t := &response.Topics[i]
			for j := range t.Partitions {
				c.learnCode(t.Topic, [16]byte{}, t.Partitions[j].ErrorCode)
			}
		}
	}
}

// learnCode marks what is known of a topic as wrong if the code says so. Versions of today name topics by id.
func (c *Cluster) learnCode(topic string, id [16]byte, code int16) {
	switch code {
	case codeUnknownTopicOrPartition, codeLeaderNotAvailable, codeNotLeaderOrFollower, codeReplicaNotAvailable, codeKafkaStorageError,
		codeListenerNotFound, codeFencedLeaderEpoch, codeUnknownLeaderEpoch, codeUnknownTopicID, codeInconsistentTopicID:
	default:
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if code == codeListenerNotFound {
		c.distrustLocked()
	}
	if t := c.meta.topics[topic]; t != nil {
		t.stale = true
		return
	}
	if topic != "" || id == [16]byte{} {
		return
	}
	for _, t := range c.meta.topics {
		if t.id == id {
			t.stale = true
		}
	}
}
