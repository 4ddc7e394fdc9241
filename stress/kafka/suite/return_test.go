package suite_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

// TestANodeGoesAndComesBack stops a node. What is for it fails in time, having named it, or waits until it is back, as its deadline says; what is for any node does not
// notice, where there is another one.
func TestANodeGoesAndComesBack(t *testing.T) {
	for _, d := range []door{{cluster.Plaintext, ""}, {cluster.SASLSSL, cluster.Scram256}} {
		t.Run(d.String(), func(t *testing.T) {
			need(t, d.listener)
			if !state.Owned() {
				t.Skip("the cluster was not started by make kafka-up: its brokers are not ours to stop")
			}
			driver := kio.DriverGnet
			if d.mechanism != "" {
				driver = kio.DriverEpoll
			}
			awayAndBack(t, d, configOn(t, driver))
		})
	}
}

func awayAndBack(t *testing.T, d door, cfg kio.Config) {
	t.Helper()
	id := state.Nodes[len(state.Nodes)-1].ID // the seed is the first one's
	alone := len(state.Nodes) == 1
	cfg.DialTimeout = patience // a broker that has just been started takes its time
	made := newTopic(t, d, cfg, topic.Layout{Node: id})
	c := openCluster(t, d, cfg)
	for _, n := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
		if n.Err != nil {
			t.Fatalf("node %d: %v", n.Node.ID, n.Err)
		}
	}
	if err := state.Stop(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	back := false
	defer func() {
		if !back { // for the tests that follow
			_ = state.Start(context.Background(), id)
		}
	}()
	eventually(t, "the end of the node is noticed", patience, func() bool {
		for _, n := range c.Stats().Nodes {
			if n.ID == id && n.State == kio.NodeConnected {
				return false
			}
		}
		return true
	})

	inTime(t, 2*time.Second, func(ctx context.Context) {
		_, err := c.RequestTo(ctx, id, kmsg.NewPtrApiVersionsRequest())
		var node *kio.NodeError
		var connect *kio.NotConnectedError
		var refresh *kio.RefreshError
		if e := asError(t, err); !errors.As(err, &node) && !errors.As(err, &connect) && !errors.As(err, &refresh) || !e.SafeToRetry() {
			t.Errorf("a request to the node that is away: %v, want the reason, safe to retry", err)
		}
	})
	if alone {
		inTime(t, 2*time.Second, func(ctx context.Context) {
			if _, err := c.Request(ctx, made.Metadata()); err == nil || !asError(t, err).SafeToRetry() {
				t.Errorf("a request to any node, and there is none: %v, want an error that is safe to retry", err)
			}
		})
	} else {
		othersGoOn(t, c, made, id)
	}

	// These wait for the node, as long as it takes.
	type result struct {
		what string
		err  error
	}
	results := make(chan result, 2)
	ctx, cancel := context.WithTimeout(t.Context(), restartLimit)
	defer cancel()
	go func() { // ends with the answer or the deadline
		_, err := c.RequestTo(ctx, id, kmsg.NewPtrApiVersionsRequest())
		results <- result{"a request to the node", err}
	}()
	go func() { // likewise
		node, err := c.Leader(ctx, made.Name, 0)
		if err == nil && node != id {
			err = fmt.Errorf("it is node %d, want %d", node, id)
		}
		results <- result{"the leader of what only the node has", err}
	}()
	began := time.Now()
	if err := state.Start(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	back = true
	for range cap(results) {
		if r := <-results; r.err != nil {
			t.Errorf("%s: %v", r.what, r.err)
		}
	}
	s := c.Stats()
	t.Logf("node %d answers again after %v; %d requests were sent again, %d attempts to connect of which %d failed, %d refreshes and %d in vain",
		id, tenths(time.Since(began)), s.Resent, s.Dials, s.DialErrors, s.Refreshes, s.RefreshErrors)
}

// othersGoOn checks what the other nodes answer, and that they know of nobody else.
func othersGoOn(t *testing.T, c *kio.Cluster, made topic.Topic, away int32) {
	t.Helper()
	for range 50 {
		if _, err := c.Request(t.Context(), made.Metadata()); err != nil {
			t.Fatalf("a request to any node: %v", err)
		}
	}
	if err := c.Refresh(t.Context()); err != nil {
		t.Errorf("Refresh: %v", err)
	}
	eventually(t, "the node is not listed", patience, func() bool {
		for _, n := range c.Nodes() {
			if n.ID == away {
				return c.Refresh(t.Context()) != nil
			}
		}
		return true
	})
	for _, n := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
		if n.Err != nil {
			t.Errorf("node %d: %v", n.Node.ID, n.Err)
		}
	}
	inTime(t, 2*time.Second, func(ctx context.Context) {
		_, err := c.Leader(ctx, made.Name, 0)
		var none *kio.LeaderError
		if e := asError(t, err); !errors.As(err, &none) || none.Code != kerr.LeaderNotAvailable.Code || !e.SafeToRetry() {
			t.Errorf("the leader of what only the node that is away has: %v, want a *kio.LeaderError of LEADER_NOT_AVAILABLE, safe to retry", err)
		}
	})
}

// inTime makes a call with a deadline, and checks that it ends by then.
func inTime(t *testing.T, limit time.Duration, f func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	began := time.Now()
	f(ctx)
	if took := time.Since(began); took > limit+rollingSlack {
		t.Errorf("a call took %v, want at most its deadline of %v", took, limit)
	}
}
