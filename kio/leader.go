package kio

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Leader is the node that leads a partition, for requests that must go there: Produce, Fetch, ListOffsets. It is answered from memory, and asked for where that
// is older than Config.Cluster.MetadataMaxAge or an answer to RequestTo has shown it to be wrong. While a partition has no leader, it waits for one within the deadline of
// ctx or Config.Timeout; for a topic or a partition that the brokers do not know, as some of them may not for a moment after it was created, not longer than
// Config.Cluster.UnknownTopicWait. Config.Cluster.NoResend leaves out all waiting.
//
// Errors are of type *Error, with a *LeaderError where the brokers name no leader, which has the code of the last answer and matches the end of ctx where that came first.
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
	if node, err = c.awaitLeader(ctx, topic, partition); err != nil {
		return -1, c.trace.failed(asClusterError(err))
	}
	return node, nil
}

// awaitLeader asks for the leader of a partition, and again after waits like the back-off, for as long as there may be one soon. ctx has a deadline.
func (c *Cluster) awaitLeader(ctx context.Context, topic string, partition int32) (int32, error) {
	cfg := &c.cfg.Cluster
	began := time.Now()
	deadline, _ := ctx.Deadline()
	var last error             // of the try before
	var unknownUntil time.Time // zero: the last answer knew the partition
	for try := 1; ; try++ {
		err := c.refresh(ctx, topic, time.Now())
		answered, end := err == nil, deadline
		if answered {
			if leader, ok := c.leader(topic, partition); ok {
				return leader, nil
			}
			code, hope := c.leaderless(topic, partition)
			err = &Error{Op: "leader", Code: CodeNoConnection, Err: &LeaderError{Topic: topic, Partition: partition, Code: code}, Elapsed: time.Since(began), unsent: true}
			switch hope {
			case leaderNever:
				return -1, err
			case leaderSoon:
				unknownUntil = time.Time{}
			case leaderPerhaps:
				if unknownUntil.IsZero() {
					unknownUntil = time.Now().Add(max(cfg.UnknownTopicWait, 0))
				}
				if unknownUntil.Before(end) {
					end = unknownUntil
				}
			}
		}
		switch {
		case ctx.Err() == nil:
		case answered:
			return -1, withEnd(ctx, err, time.Since(began))
		case last != nil:
			return -1, withEnd(ctx, last, time.Since(began))
		}
		// No answer comes sooner than after minRefreshInterval. Until then every wait leaves time for another try.
		left := time.Until(end)
		if cfg.NoResend || !resendable(err) || left < minRefreshInterval {
			return -1, err
		}
		if !pause(ctx, min(backoff(try, cfg.Backoff, cfg.MaxBackoff), left/2)) {
			return -1, withEnd(ctx, err, time.Since(began))
		}
		if leader, ok := c.leader(topic, partition); ok { // others have asked meanwhile
			return leader, nil
		}
		last = err
	}
}

// withEnd is the error of a wait that the end of ctx has ended, which tells what the last try met.
func withEnd(ctx context.Context, last error, elapsed time.Duration) error {
	var none *LeaderError
	if errors.As(last, &none) {
		return &Error{Op: "leader", Code: CodeNoConnection, Err: &LeaderError{none.Topic, none.Partition, none.Code, contextEnd(ctx)}, Elapsed: elapsed, unsent: true}
	}
	return &Error{Op: "leader", Code: CodeCannotConnect, Err: &NotConnectedError{Last: last, end: contextEnd(ctx)}, Elapsed: elapsed, unsent: true}
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

// prospect is whether a partition without a leader may have one soon.
type prospect uint8

const (
	leaderNever   prospect = iota // the broker refuses to tell, and will go on to
	leaderPerhaps                 // the broker does not know the topic, or not that many partitions of it: there are none, or it has yet to hear of them
	leaderSoon                    // the partition is there
)

// leaderless is why there is no leader, as the broker has it, and whether to ask again.
func (c *Cluster) leaderless(topic string, partition int32) (code int16, p prospect) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.meta.topics[topic]
	switch {
	case t == nil || t.code == codeUnknownTopicOrPartition:
		return codeUnknownTopicOrPartition, leaderPerhaps
	case t.code == codeLeaderNotAvailable:
		return t.code, leaderSoon
	case t.code != 0:
		return t.code, leaderNever
	case int(partition) >= len(t.codes):
		return codeUnknownTopicOrPartition, leaderPerhaps
	default:
		return t.codes[partition], leaderSoon
	}
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
