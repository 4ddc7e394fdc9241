package suite_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/topic"
)

var topics atomic.Int64

// newTopic makes a topic of the test's own, and deletes it at the end, by a connection of its own: that of the test may be gone.
func newTopic(t *testing.T, d door, cfg kio.Config, l topic.Layout) topic.Topic {
	t.Helper()
	b := d.dial(t, cfg)
	name := topicName()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	made, err := topic.Create(ctx, b, name, l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		addr, cfg := d.enter(t, cfg)
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		b, err := kio.DialBroker(ctx, addr, cfg)
		if err == nil {
			defer b.Close()
			err = made.Delete(ctx, b)
		}
		if err != nil {
			t.Logf("topic %s stays: %v", name, err)
		}
	})
	return made
}

// topicName is one that no other topic has.
func topicName() string { return fmt.Sprintf("suite-%d-%d", time.Now().UnixNano(), topics.Add(1)) }

// replicas is how many a topic can have on this cluster, at most 3.
func replicas() int16 { return int16(min(3, len(state.Nodes))) }

// leader connects to the leader of all of a new topic's partitions.
func leader(t *testing.T, d door, cfg kio.Config, of topic.Topic) *kio.Broker {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	leaders, err := of.Leaders(ctx, d.dial(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	_, cfg = d.enter(t, cfg)
	b := mustDial(t, leaders[0], cfg)
	if err := of.Settle(ctx, b, len(leaders)); err != nil {
		t.Fatal(err)
	}
	return b
}
