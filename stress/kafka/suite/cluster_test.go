package suite_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

// openCluster opens a Cluster by one seed, the door of the first node, and closes it at the end of the test.
func openCluster(t *testing.T, d door, cfg kio.Config) *kio.Cluster {
	t.Helper()
	addr, cfg := d.enter(t, cfg)
	c, err := kio.OpenCluster(t.Context(), []string{addr}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// needNodes skips a test that wants so many nodes.
func needNodes(t *testing.T, n int) {
	t.Helper()
	if state == nil {
		t.Skip(noCluster)
	}
	if len(state.Nodes) < n {
		t.Skipf("NOT RUN: it needs %d nodes and the cluster has %d: make kafka-test NODES=%d", n, len(state.Nodes), n)
	}
}

// TestAClusterIsFoundByOneSeed: all nodes are, as the listener advertises them that the seed was asked on, and each request goes to the node that it is for:
// a broker tells the settings of itself alone.
func TestAClusterIsFoundByOneSeed(t *testing.T) {
	throughDoors(t, doors, func(t *testing.T, d door, cfg kio.Config) {
		c := openCluster(t, d, cfg)
		nodes := c.Nodes()
		for _, got := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
			if got.Err != nil || len(got.Response.(*kmsg.ApiVersionsResponse).ApiKeys) < 30 {
				t.Errorf("node %d: %v, %+v; want the APIs of a broker", got.Node.ID, got.Err, got.Response)
			}
		}
		if !state.Owned() {
			return
		}
		if len(nodes) != len(state.Nodes) || c.ID() != state.ID {
			t.Errorf("%d nodes of cluster %s, want %d of %s", len(nodes), c.ID(), len(state.Nodes), state.ID)
		}
		for _, n := range nodes {
			want, err := state.Node(n.ID)
			if err != nil {
				t.Fatal(err)
			}
			if n.Addr != want.Listeners[d.listener] {
				t.Errorf("node %d is at %s, want %s", n.ID, n.Addr, want.Listeners[d.listener])
			}
			for _, got := range c.Each(t.Context(), settingsOf(n.ID)) {
				if got.Err != nil {
					t.Errorf("node %d: %v", got.Node.ID, got.Err)
					continue
				}
				code := got.Response.(*kmsg.DescribeConfigsResponse).Resources[0].ErrorCode
				if (code == 0) != (got.Node.ID == n.ID) {
					t.Errorf("node %d answers with code %d to what is for node %d", got.Node.ID, code, n.ID)
				}
			}
		}
		if s := c.Stats(); s.Connected != len(nodes) || s.Conns != len(nodes) || s.DialErrors != 0 || s.Resent != 0 {
			t.Errorf("%d connections to %d of %d nodes, %d failed to connect, %d requests sent again; want one each and no failure",
				s.Conns, s.Connected, len(nodes), s.DialErrors, s.Resent)
		}
	})
}

// TestANodeThatIsNoneIsNamed: until the deadline it might still come.
func TestANodeThatIsNoneIsNamed(t *testing.T) {
	throughDoors(t, []door{{cluster.Plaintext, ""}}, func(t *testing.T, d door, cfg kio.Config) {
		const none = 4711
		c := openCluster(t, d, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := c.RequestTo(ctx, none, kmsg.NewPtrApiVersionsRequest())
		var node *kio.NodeError
		if e := asError(t, err); !errors.As(err, &node) || node.Node != none || !e.SafeToRetry() {
			t.Errorf("a request to node %d: %v, want a *kio.NodeError, safe to retry", none, err)
		}
	})
}

// settingsOf asks for one setting of a broker. Others answer with INVALID_REQUEST.
func settingsOf(node int32) *kmsg.DescribeConfigsRequest {
	resource := kmsg.NewDescribeConfigsRequestResource()
	resource.ResourceType, resource.ResourceName = kmsg.ConfigResourceTypeBroker, strconv.Itoa(int(node))
	resource.ConfigNames = []string{"node.id"}
	r := kmsg.NewPtrDescribeConfigsRequest()
	r.Resources = append(r.Resources, resource)
	return r
}

// TestTopicsOfAClusterHaveTheirLeaders makes a topic, asks for its leaders, writes and reads at each, and removes it: all by one Cluster. When the topic is
// gone, that is found out by the first request for it.
func TestTopicsOfAClusterHaveTheirLeaders(t *testing.T) {
	const partitions = 6
	throughDoors(t, mainDoors, func(t *testing.T, d door, cfg kio.Config) {
		cfg.Cluster.UnknownTopicWait = 2 * time.Second // at the end once for nothing
		c := openCluster(t, d, cfg)
		made, err := topic.Create(t.Context(), c, topicName(), topic.Layout{Partitions: partitions, Replicas: replicas()})
		if err != nil {
			t.Fatal(err)
		}
		deleted := false
		defer func() {
			if !deleted {
				_ = made.Delete(context.Background(), c)
			}
		}()
		for p := range int32(partitions) { // at once: who is asked may not have heard of it yet
			_ = leaderOf(t, c, made, p)
		}
		// A node that has not heard of a new topic yet says that there is none.
		eventually(t, "all nodes know of the topic", patience, func() bool {
			for _, n := range c.Nodes() {
				if leaders, err := made.Leaders(t.Context(), c.To(n.ID)); err != nil || len(leaders) != partitions {
					return false
				}
			}
			return true
		})
		for p := range int32(partitions) {
			value := fmt.Appendf(nil, "partition %d", p)
			eventually(t, fmt.Sprintf("partition %d takes a record", p), patience, func() bool { // who has just become leader learns of it last
				_, err := topic.Produced(c.RequestTo(t.Context(), leaderOf(t, c, made, p), made.Produce(p, topic.Batch([]kmsg.Record{{Value: value}}))))
				if err != nil && !kerr.IsRetriable(err) {
					t.Fatal(err)
				}
				return err == nil
			})
			got, err := made.ReadAll(t.Context(), c.To(leaderOf(t, c, made, p)), p)
			if err != nil || len(got) != 1 || !bytes.Equal(got[0].Value, value) {
				t.Errorf("partition %d: %v, %d records, want the one that was just written", p, err, len(got))
			}
		}
		for _, n := range c.Nodes() {
			m, err := made.Metadata().RequestWith(t.Context(), c.To(n.ID))
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range m.Topics[0].Partitions {
				if got := leaderOf(t, c, made, p.Partition); got != p.Leader {
					t.Errorf("the leader of partition %d is %d, and node %d says %d", p.Partition, got, n.ID, p.Leader)
				}
			}
		}
		if err := made.Delete(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		deleted = true
		eventually(t, "the topic has no leader", patience, func() bool {
			node, err := c.Leader(t.Context(), made.Name, 0)
			if err == nil { // as remembered: an answer shows that it is wrong
				_, _ = c.RequestTo(t.Context(), node, made.Fetch(0, 0, 1))
				return false
			}
			var none *kio.LeaderError
			if !errors.As(err, &none) || none.Code != kerr.UnknownTopicOrPartition.Code {
				t.Fatalf("the leader of a topic that is gone: %v, want a *kio.LeaderError of UNKNOWN_TOPIC_OR_PARTITION", err)
			}
			return true
		})
	})
}

func leaderOf(t *testing.T, c *kio.Cluster, of topic.Topic, partition int32) int32 {
	t.Helper()
	node, err := c.Leader(t.Context(), of.Name, partition)
	if err != nil {
		t.Fatal(err)
	}
	return node
}

// poll is a Fetch that waits for records which are not there yet.
type poll struct {
	began time.Time
	ended chan struct{}
	raw   []byte // valid when it has ended, as is err
	err   error
}

// startPoll sends a Fetch of partition 0, which is empty, and returns when it is in flight.
func startPoll(t *testing.T, c *kio.Cluster, node int32, of topic.Topic, wait time.Duration) *poll {
	t.Helper()
	r := of.Fetch(0, 0, 1<<20)
	r.MaxWaitMillis = int32(wait.Milliseconds())
	p := &poll{began: time.Now(), ended: make(chan struct{})}
	go func() { // ends with the answer, or with the Cluster at the latest
		defer close(p.ended)
		p.raw, p.err = topic.Batches(c.RequestTo(context.Background(), node, r))
	}()
	eventually(t, "the poll is in flight", patience, func() bool { return pollsInFlight(c) > 0 })
	return p
}

// pollsInFlight counts what is in flight on the connections for Fetch.
func pollsInFlight(c *kio.Cluster) int {
	polls := 0
	for _, n := range c.Stats().Nodes {
		for _, conn := range n.Conns {
			if conn.Class == kio.ClassFetch {
				polls += conn.InFlight
			}
		}
	}
	return polls
}

func (p *poll) over() bool {
	select {
	case <-p.ended:
		return true
	default:
		return false
	}
}

// onOneNode makes a topic whose partitions all are on one node, and waits until that takes requests for them.
func onOneNode(t *testing.T, d door, cfg kio.Config, partitions int) (topic.Topic, int32) {
	t.Helper()
	node := firstNode(t, d, cfg)
	made := newTopic(t, d, cfg, topic.Layout{Partitions: partitions, Node: node})
	leader(t, d, cfg, made)
	return made, node
}

// TestALongPollHoldsNobodyBack: a broker answers the requests of a connection one after the other. While it waits for records with one, short requests
// and those that write are answered by the same broker.
func TestALongPollHoldsNobodyBack(t *testing.T) {
	const wait = 15 * time.Second
	throughDoors(t, mainDoors, func(t *testing.T, d door, cfg kio.Config) {
		made, node := onOneNode(t, d, cfg, 2)
		c := openCluster(t, d, cfg)
		p := startPoll(t, c, node, made, wait)
		for range 50 {
			if _, err := made.Metadata().RequestWith(t.Context(), c.To(node)); err != nil {
				t.Fatal(err)
			}
		}
		for range 10 {
			if _, err := topic.Produced(c.RequestTo(t.Context(), node, made.Produce(1, topic.Batch([]kmsg.Record{{Value: []byte("beside it")}})))); err != nil {
				t.Fatal(err)
			}
		}
		if p.over() {
			t.Fatalf("the poll ended after %v, before the requests beside it: %v", time.Since(p.began), p.err)
		}
		if _, err := topic.Produced(c.RequestTo(t.Context(), node, made.Produce(0, topic.Batch([]kmsg.Record{{Value: []byte("waited for")}})))); err != nil {
			t.Fatal(err)
		}
		<-p.ended
		got, err := topic.ReadBatches(p.raw)
		if err = errors.Join(p.err, err); err != nil || len(got) != 1 || string(got[0].Value) != "waited for" {
			t.Errorf("the poll: %v, %d records, want the one that it waited for", err, len(got))
		}
		if took := time.Since(p.began); took >= wait {
			t.Errorf("the poll took %v, want it answered by the record, before %v", took, wait)
		}
	})
}

// TestClassesThatMustShareWait is the same where a node may have one connection only: what holds requests apart is that they have connections of their own.
func TestClassesThatMustShareWait(t *testing.T) {
	const wait = 700 * time.Millisecond
	throughDoors(t, []door{{cluster.Plaintext, ""}}, func(t *testing.T, d door, cfg kio.Config) {
		made, node := onOneNode(t, d, cfg, 1)
		cfg.Cluster.MaxConns = 1
		c := openCluster(t, d, cfg)
		p := startPoll(t, c, node, made, wait)
		if _, err := made.Metadata().RequestWith(t.Context(), c.To(node)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(p.began); took < wait {
			t.Errorf("a request behind a poll of %v was answered after %v", wait, took)
		}
		<-p.ended
		if p.err != nil || len(p.raw) != 0 {
			t.Errorf("the poll: %v, %d bytes, want none", p.err, len(p.raw))
		}
		for _, n := range c.Stats().Nodes {
			if len(n.Conns) > 1 {
				t.Errorf("node %d has %d connections, want at most 1", n.ID, len(n.Conns))
			}
		}
	})
}

// TestLentConnectionsCarryBytes: what Cluster.Broker gives is a connection of the class, to the node, and the same one the next time.
func TestLentConnectionsCarryBytes(t *testing.T) {
	throughDoors(t, mainDoors, func(t *testing.T, d door, cfg kio.Config) {
		made, node := onOneNode(t, d, cfg, 1)
		c := openCluster(t, d, cfg)
		lend := func(class kio.Class) *kio.Broker {
			t.Helper()
			b, err := c.Broker(t.Context(), node, class)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}
		short, produce := lend(kio.ClassShort), lend(kio.ClassProduce)
		if again := lend(kio.ClassShort); again != short || produce == short {
			t.Errorf("ClassShort has connections %p and %p, ClassProduce %p; want one, and another", short, again, produce)
		}
		const id = 4711
		question := kmsg.NewRequestFormatter().AppendRequest(nil, kmsg.NewPtrApiVersionsRequest(), id)[4:] // in version 0, without its size
		answer, err := short.RoundTrip(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		checkVersions(t, answer, id)

		answers := make(chan []byte, 1)
		err = short.Submit(question, time.Time{}, func(response []byte, err error) {
			if err != nil {
				t.Errorf("Submit: %v", err)
			}
			answers <- bytes.Clone(response) // capacity 1: never blocks
		})
		if err != nil {
			t.Fatal(err)
		}
		checkVersions(t, <-answers, id)

		r := made.Produce(0, topic.Batch([]kmsg.Record{{Value: []byte("one way")}}))
		r.Acks = 0
		r.SetVersion(9)
		if err := produce.SendOneWay(t.Context(), kmsg.NewRequestFormatter().AppendRequest(nil, r, id)[4:]); err != nil {
			t.Fatal(err)
		}
		eventually(t, "what was sent one way is there", patience, func() bool {
			got, err := made.ReadAll(t.Context(), c.To(node), 0)
			return err == nil && len(got) == 1 && string(got[0].Value) == "one way"
		})
	})
}

// checkVersions reads an answer to ApiVersions of version 0, after its correlation id.
func checkVersions(t *testing.T, answer []byte, id uint32) {
	t.Helper()
	if len(answer) < 4 || binary.BigEndian.Uint32(answer) != id {
		t.Fatalf("an answer of %d bytes that does not begin with correlation id %d", len(answer), id)
	}
	r := kmsg.NewPtrApiVersionsResponse()
	if err := r.ReadFrom(answer[4:]); err != nil || r.ErrorCode != 0 || len(r.ApiKeys) < 30 {
		t.Errorf("%v, code %d, %d APIs; want those of a broker", err, r.ErrorCode, len(r.ApiKeys))
	}
}

// TestShutdownLetsTheBrokerAnswer: what is in flight is answered, a long poll too, and what comes later is refused.
func TestShutdownLetsTheBrokerAnswer(t *testing.T) {
	throughDoors(t, mainDoors, func(t *testing.T, d door, cfg kio.Config) {
		made, node := onOneNode(t, d, cfg, 1)
		c := openCluster(t, d, cfg)
		p := startPoll(t, c, node, made, time.Second)
		done := make(chan error, 1)
		go func() { done <- c.Shutdown(t.Context()) }() // ends with the poll
		eventually(t, "new requests are refused", patience, func() bool {
			_, err := c.Request(t.Context(), made.Metadata())
			if err == nil {
				return false
			}
			if e := asError(t, err); !errors.Is(err, net.ErrClosed) || !e.SafeToRetry() {
				t.Fatalf("a request after Shutdown: %v, want net.ErrClosed, safe to retry", err)
			}
			return true
		})
		if err := <-done; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-p.ended
		if p.err != nil || time.Since(p.began) < time.Second {
			t.Errorf("the poll ended after %v: %v; want it answered by the broker", time.Since(p.began), p.err)
		}
		if s := c.Stats(); s.Conns != 0 {
			t.Errorf("%d connections are open after Shutdown", s.Conns)
		}
	})
}

// TestShutdownDoesNotWaitForever cuts a poll off that is not answered in time.
func TestShutdownDoesNotWaitForever(t *testing.T) {
	throughDoors(t, []door{{cluster.Plaintext, ""}}, func(t *testing.T, d door, cfg kio.Config) {
		made, node := onOneNode(t, d, cfg, 1)
		c := openCluster(t, d, cfg)
		p := startPoll(t, c, node, made, 2*patience)
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		if err := c.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown: %v, want the end of its context", err)
		}
		<-p.ended
		if took := time.Since(p.began); took >= patience {
			t.Errorf("the poll ended after %v, want it cut off", took)
		}
		if e := asError(t, p.err); e.SafeToRetry() {
			t.Errorf("the poll: %v is said to be safe to retry, and the broker had it", p.err)
		}
	})
}

// TestARefusedPasswordIsToldAtOnce: it does not become right by being tried again until the deadline.
func TestARefusedPasswordIsToldAtOnce(t *testing.T) {
	const wrong = "not-the-password"
	throughDoors(t, []door{{cluster.SASLSSL, cluster.Plain}, {cluster.SASLSSL, cluster.Scram512}}, func(t *testing.T, d door, cfg kio.Config) {
		addr, cfg := d.enter(t, cfg)
		m, err := cluster.MechanismAs(d.mechanism, cluster.User{Name: state.Users[d.mechanism].Name, Password: wrong})
		if err != nil {
			t.Fatal(err)
		}
		cfg.SASL = []sasl.Mechanism{m}
		began := time.Now()
		c, err := kio.OpenCluster(t.Context(), []string{addr}, cfg)
		if err == nil {
			_ = c.Close()
			t.Fatal("a wrong password opened a cluster")
		}
		var auth *kio.AuthError
		if e := asError(t, err); e.Code != kio.CodeCannotConnect || !errors.As(err, &auth) {
			t.Errorf("error %v, want code %d and a *kio.AuthError", err, kio.CodeCannotConnect)
		}
		if strings.Contains(err.Error(), wrong) {
			t.Errorf("error %v tells the password", err)
		}
		if took := time.Since(began); took >= patience {
			t.Errorf("it took %v", took)
		}
	})
}
