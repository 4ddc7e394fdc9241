package suite_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/topic"
)

// TestSixtyFourCallersOnOneConnectionGetTheirOwnAnswers: each writes what is its own into a partition that is its own, reads it back, and asks where it
// is, all over the same connection.
func TestSixtyFourCallersOnOneConnectionGetTheirOwnAnswers(t *testing.T) {
	sixtyFourCallers(t, 0)
}

// TestSixtyFourCallersGetTheirOwnAnswersSeveralAtATime: the same with a loop that rests.
func TestSixtyFourCallersGetTheirOwnAnswersSeveralAtATime(t *testing.T) {
	sixtyFourCallers(t, 2*time.Millisecond)
}

func sixtyFourCallers(t *testing.T, wakeDelay time.Duration) {
	const callers, rounds = 64, 20
	throughDoors(t, mainDoors, func(t *testing.T, d door, cfg kio.Config) {
		cfg.WakeDelay = wakeDelay
		made := newTopic(t, d, cfg, topic.Layout{Partitions: callers, Node: firstNode(t, d, cfg)})
		b := leader(t, d, cfg, made)
		var wg sync.WaitGroup
		for caller := range callers {
			wg.Go(func() {
				for round := range rounds {
					if err := oneOfMany(t, b, made, caller, round); err != nil {
						t.Errorf("caller %d, round %d: %v", caller, round, err)
						return
					}
				}
			})
		}
		wg.Wait()
		if s := b.Stats(); s.InFlight != 0 || s.Failed != 0 || s.GaveUp != 0 {
			t.Errorf("Stats = %+v, want nothing in flight, failed or given up", s)
		}
	})
}

// oneOfMany is one round of one caller.
func oneOfMany(t *testing.T, b *kio.Broker, made topic.Topic, caller, round int) error {
	t.Helper()
	value := bytes.Repeat(fmt.Appendf(nil, "caller %d round %d ", caller, round), 1+caller%8)
	offset, err := topic.Produced(b.Request(t.Context(), made.Produce(int32(caller), topic.Batch([]kmsg.Record{{Value: value}}))))
	if err != nil {
		return err
	}
	if offset != int64(round) {
		return fmt.Errorf("the record went to offset %d", offset)
	}
	raw, err := topic.Batches(b.Request(t.Context(), made.Fetch(int32(caller), offset, 1<<16)))
	if err != nil {
		return err
	}
	got, err := topic.ReadBatches(raw)
	if err != nil {
		return err
	}
	if len(got) != 1 || !bytes.Equal(got[0].Value, value) {
		return fmt.Errorf("%d records came back, want the one that was just written", len(got))
	}
	m, err := made.Metadata().RequestWith(t.Context(), b)
	if err != nil {
		return err
	}
	if len(m.Topics) != 1 || m.Topics[0].Topic == nil || *m.Topics[0].Topic != made.Name {
		return fmt.Errorf("asked for %s, was told of %d topics", made.Name, len(m.Topics))
	}
	return nil
}

// firstNode is the id of a node of the cluster.
func firstNode(t *testing.T, d door, cfg kio.Config) int32 {
	t.Helper()
	r := kmsg.NewPtrMetadataRequest()
	r.Topics = []kmsg.MetadataRequestTopic{}
	m, err := r.RequestWith(t.Context(), d.dial(t, cfg))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Brokers) == 0 {
		t.Fatal("a cluster without brokers")
	}
	return m.Brokers[0].NodeID
}
