package target_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
	"kafkaio/stress/internal/responder"
	"kafkaio/stress/internal/target"
	"kafkaio/stress/internal/workload"
)

func start(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func discover(t *testing.T, cfg target.Config) (*target.Cluster, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if cfg.Kio.Timeout == 0 {
		cfg.Kio.Timeout = 5 * time.Second
	}
	return target.Discover(ctx, cfg)
}

func TestDiscoverCreatesTheTopic(t *testing.T) {
	fake := start(t)
	cfg := target.Config{Seeds: fake.ListenAddrs()[2:], Topic: "fresh", NeedTopic: true}
	for _, created := range []bool{true, false} {
		c, err := discover(t, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if c.Created != created || c.Partitions != 3*target.PartitionsPerBroker || c.Leaderless != 0 {
			t.Errorf("created %t, %d partitions, %d leaderless; want %t, %d, 0", c.Created, c.Partitions, c.Leaderless, created, 3*target.PartitionsPerBroker)
		}
		led := 0
		for i, b := range c.Brokers {
			if b.ID != int32(i) || b.Addr != fake.ListenAddrs()[i] {
				t.Errorf("broker %d is %d at %s, want %s", i, b.ID, b.Addr, fake.ListenAddrs()[i])
			}
			if b.TopicID == [16]byte{} || len(b.Versions) == 0 {
				t.Errorf("broker %d: topic id %v, %d versions; want both", i, b.TopicID, len(b.Versions))
			}
			for _, p := range b.Partitions {
				led++
				if got := fake.LeaderFor("fresh", p.ID); got != b.ID {
					t.Errorf("partition %d is with broker %d, its leader is %d", p.ID, b.ID, got)
				}
			}
		}
		if led != c.Partitions {
			t.Errorf("%d partitions are led, want %d", led, c.Partitions)
		}
	}
}

func TestDiscoverFindsTheFirstOffset(t *testing.T) {
	fake := start(t, kfake.SeedTopics(1, "old"))
	leader := fake.ListenAddrs()[fake.LeaderFor("old", 0)]
	fill(t, leader, "old")
	if err := fake.DeleteRecords("old", 0, 2); err != nil {
		t.Fatal(err)
	}
	c, err := discover(t, target.Config{Seeds: fake.ListenAddrs(), Topic: "old", NeedTopic: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range c.Brokers {
		for _, p := range b.Partitions {
			if p.Offset != 2 {
				t.Errorf("first offset %d, want 2", p.Offset)
			}
		}
	}
}

func TestDiscoverWithoutTopic(t *testing.T) {
	fake := start(t)
	c, err := discover(t, target.Config{Seeds: fake.ListenAddrs(), Topic: "absent"})
	if err != nil {
		t.Fatal(err)
	}
	if c.Created || fake.TopicInfo("absent") != nil {
		t.Error("the topic was created, want it left alone: nobody needs it")
	}
}

func TestDiscoverOnTheResponder(t *testing.T) {
	r, err := responder.Start(responder.Config{Topic: "canned", Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	c, err := discover(t, target.Config{Seeds: r.Addrs(), Topic: "canned", NeedTopic: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Brokers) != 1 || len(c.Brokers[0].Partitions) != 2 || c.Created {
		t.Errorf("%d brokers, created %t; want one with 2 partitions", len(c.Brokers), c.Created)
	}
	_, err = discover(t, target.Config{Seeds: r.Addrs(), Topic: "other", NeedTopic: true})
	if want := `topic "other" does not exist and cannot be created: the broker does not support CreateTopics`; err == nil || err.Error() != want {
		t.Errorf("%v; want %s", err, want)
	}
}

func TestDiscoverTriesAllSeeds(t *testing.T) {
	fake := start(t)
	if _, err := discover(t, target.Config{Seeds: append([]string{hostile.Refused(t)}, fake.ListenAddrs()...)}); err != nil {
		t.Errorf("the second seed lives: %v; want success", err)
	}
	a, b := hostile.Refused(t), hostile.Refused(t)
	if _, err := discover(t, target.Config{Seeds: []string{a, b}}); err == nil || !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), b) {
		t.Errorf("no seed lives: %v; want an error that names both", err)
	}
}

func TestDiscoverNamesABrokerThatIsDown(t *testing.T) {
	dead := hostile.Refused(t)
	r, err := responder.Start(responder.Config{Advertise: []string{dead}})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = discover(t, target.Config{Seeds: r.Addrs()})
	if err == nil || !strings.Contains(err.Error(), "broker 0, which the cluster's Metadata lists") || !strings.Contains(err.Error(), dead) {
		t.Errorf("%v; want the broker that is down, with its address", err)
	}
}

// fill produces three records to partition 0.
func fill(t *testing.T, addr, topic string) {
	t.Helper()
	b, err := kio.DialBroker(t.Context(), addr, kio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := kmsg.NewPtrProduceRequest()
	r.SetVersion(9)
	r.Acks, r.TimeoutMillis = -1, 1000
	for range 3 {
		r.Topics = []kmsg.ProduceRequestTopic{{Topic: topic, Partitions: []kmsg.ProduceRequestTopicPartition{{Records: workload.RecordBatch(time.Now(), []byte("v"))}}}}
		response, err := r.RequestWith(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if code := response.Topics[0].Partitions[0].ErrorCode; code != 0 {
			t.Fatalf("produce: code %d", code)
		}
	}
}
