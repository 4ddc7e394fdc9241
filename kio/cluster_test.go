package kio_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// fakeCluster starts an in-process cluster.
func fakeCluster(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func mustOpenCluster(t *testing.T, seeds []string, cfg kio.Config) *kio.Cluster {
	t.Helper()
	c, err := kio.OpenCluster(t.Context(), seeds, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return c
}

func TestClusterFindsItsNodesByOneSeed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		f := fakeCluster(t, kfake.NumBrokers(3), kfake.ClusterID("the-cluster"))
		c := mustOpenCluster(t, f.ListenAddrs()[1:2], cfg)
		if c.ID() != "the-cluster" {
			t.Errorf("id %q", c.ID())
		}
		var addrs []string
		for i, n := range c.Nodes() {
			if n.ID != int32(i) {
				t.Errorf("node %d has id %d", i, n.ID)
			}
			addrs = append(addrs, n.Addr)
		}
		want := f.ListenAddrs()
		slices.Sort(want)
		slices.Sort(addrs)
		if !slices.Equal(addrs, want) {
			t.Errorf("nodes at %v, want %v", addrs, want)
		}
		if s := c.Stats(); s.Conns != 1 || s.Connected != 1 {
			t.Errorf("%d connections to %d nodes, want 1: the seed is a node", s.Conns, s.Connected)
		}
		for _, n := range c.Nodes() {
			if _, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), c.To(n.ID)); err != nil {
				t.Errorf("node %d: %v", n.ID, err)
			}
		}
		if s := c.Stats(); s.Conns != 3 {
			t.Errorf("%d connections, want 3", s.Conns)
		}
	})
}

func TestOpenClusterTellsOfEachSeed(t *testing.T) {
	cfg := config(t)
	addr := hostile.Refused(t)
	_, err := kio.OpenCluster(t.Context(), []string{addr, "localhost:1"}, cfg)
	wantCode(t, err, kio.CodeCannotConnect)
	var r *kio.RefreshError
	if !errors.As(err, &r) || len(r.Attempts) != 2 || !strings.Contains(err.Error(), addr) {
		t.Errorf("error %v, want one of each seed", err)
	}
	if !asError(t, err).SafeToRetry() {
		t.Error("not safe to retry")
	}
}

func TestOpenClusterRefusesWhatCannotBe(t *testing.T) {
	for name, tt := range map[string]struct {
		seeds []string
		set   func(c *kio.Config)
		text  string
	}{
		"no seeds":      {nil, func(*kio.Config) {}, "no seeds"},
		"a URL":         {[]string{"kafka://x"}, func(*kio.Config) {}, "URL"},
		"back-off":      {[]string{"x:1"}, func(c *kio.Config) { c.Cluster.Backoff = -1 }, "Config.Cluster.Backoff"},
		"max back-off":  {[]string{"x:1"}, func(c *kio.Config) { c.Cluster.Backoff, c.Cluster.MaxBackoff = 2, 1 }, "Config.Cluster.MaxBackoff"},
		"hold":          {[]string{"x:1"}, func(c *kio.Config) { c.Cluster.HoldOpen = 2 }, "Config.Cluster.HoldOpen"},
		"rate":          {[]string{"x:1"}, func(c *kio.Config) { c.Cluster.DialRate = -1 }, "Config.Cluster.DialRate"},
		"raw":           {[]string{"x:1"}, func(c *kio.Config) { c.OpenRaw = true }, "Config.OpenRaw"},
		"twice":         {[]string{"x", "x:9092"}, func(c *kio.Config) { c.Cluster.Standalone = true }, "twice"},
		"a bad timeout": {[]string{"x:1"}, func(c *kio.Config) { c.Timeout = -1 }, "Config.Timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			tt.set(&cfg)
			_, err := kio.OpenCluster(t.Context(), tt.seeds, cfg)
			wantCode(t, err, kio.CodeInvalidArgument)
			if !strings.Contains(err.Error(), tt.text) {
				t.Errorf("error %v, want one that names %s", err, tt.text)
			}
		})
	}
}

func TestEachAsksAllNodesAtOnce(t *testing.T) {
	cfg := config(t)
	f := fakeCluster(t, kfake.NumBrokers(5))
	c := mustOpenCluster(t, f.ListenAddrs(), cfg)
	r := kmsg.NewPtrApiVersionsRequest()
	results := c.Each(t.Context(), r)
	if len(results) != 5 {
		t.Fatalf("%d results, want 5", len(results))
	}
	for i, res := range results {
		if res.Node.ID != int32(i) || res.Err != nil || len(res.Response.(*kmsg.ApiVersionsResponse).ApiKeys) == 0 {
			t.Errorf("node %d: %+v", i, res)
		}
	}
	if r.GetVersion() != 0 {
		t.Errorf("the request has version %d now", r.GetVersion())
	}
}

func TestLeaderIsFollowed(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.UnknownTopicWait = -1
	f := fakeCluster(t, kfake.NumBrokers(3), kfake.SeedTopics(3, "events"))
	c := mustOpenCluster(t, f.ListenAddrs(), cfg)
	leader, err := c.Leader(t.Context(), "events", 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.LeaderFor("events", 0); got != leader {
		t.Fatalf("leader %d, want %d", leader, got)
	}
	before := c.Stats().Refreshes
	for range 10 {
		if _, err := c.Leader(t.Context(), "events", 2); err != nil {
			t.Fatal(err)
		}
	}
	if after := c.Stats().Refreshes; after != before {
		t.Errorf("%d refreshes for what is known", after-before)
	}

	moved := (leader + 1) % 3
	if err := f.MoveTopicPartition("events", 0, moved); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Leader(t.Context(), "events", 0); err != nil || got != leader {
		t.Errorf("leader %d, %v; want %d, from memory", got, err, leader)
	}
	r := kmsg.NewPtrListOffsetsRequest()
	topic := kmsg.NewListOffsetsRequestTopic()
	topic.Topic = "events"
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	partition.Timestamp = -1
	topic.Partitions = append(topic.Partitions, partition)
	r.Topics = append(r.Topics, topic)
	answer, err := r.RequestWith(t.Context(), c.To(leader))
	if err != nil {
		t.Fatal(err)
	}
	if code := answer.Topics[0].Partitions[0].ErrorCode; code != 6 {
		t.Fatalf("the old leader answers %d, want NOT_LEADER_OR_FOLLOWER", code)
	}
	if got, err := c.Leader(t.Context(), "events", 0); err != nil || got != moved {
		t.Errorf("leader %d, %v; want %d, asked for anew", got, err, moved)
	}

	_, err = c.Leader(t.Context(), "nothing", 0)
	var l *kio.LeaderError
	if !errors.As(err, &l) || l.Code != 3 || l.Topic != "nothing" {
		t.Errorf("unknown topic: %v", err)
	}
	_, err = c.Leader(t.Context(), "events", 99)
	if !errors.As(err, &l) || l.Partition != 99 {
		t.Errorf("unknown partition: %v", err)
	}
}

func TestAdminRequestsFindTheController(t *testing.T) {
	cfg := config(t)
	f := fakeCluster(t, kfake.NumBrokers(3))
	c := mustOpenCluster(t, f.ListenAddrs(), cfg)
	create := kmsg.NewPtrCreateTopicsRequest()
	topic := kmsg.NewCreateTopicsRequestTopic()
	topic.NumPartitions, topic.ReplicationFactor = 1, 1
	create.Topics = append(create.Topics, topic)
	for _, name := range []string{"a", "b", "c", "d"} { // at random, one would find it three times of four
		create.Topics[0].Topic = name
		answer, err := create.RequestWith(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if code := answer.Topics[0].ErrorCode; code != 0 {
			t.Errorf("create %s: code %d", name, code)
		}
	}

	// A controller that has just changed: the first broker is none any more, and the metadata tells of the new one.
	moved := func(r kmsg.Request) (kmsg.Response, error, bool) {
		answer := r.ResponseKind().(*kmsg.CreateTopicsResponse)
		at := kmsg.NewCreateTopicsResponseTopic()
		at.Topic, at.ErrorCode = "e", 41
		answer.Topics = append(answer.Topics, at)
		return answer, nil, true
	}
	f.ControlKey(int16(kmsg.CreateTopics), moved)
	create.Topics[0].Topic = "e"
	before := c.Stats()
	answer, err := create.RequestWith(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if code := answer.Topics[0].ErrorCode; code != 0 {
		t.Errorf("after the controller has moved: code %d", code)
	}
	if after := c.Stats(); after.Refreshes == before.Refreshes || after.Resent != before.Resent+1 {
		t.Errorf("%d refreshes, %d sent again", after.Refreshes-before.Refreshes, after.Resent-before.Resent)
	}

	cfg.Cluster.NoResend = true
	once := mustOpenCluster(t, f.ListenAddrs(), cfg)
	f.ControlKey(int16(kmsg.CreateTopics), moved)
	if answer, err = create.RequestWith(t.Context(), once); err != nil || answer.Topics[0].ErrorCode != 41 {
		t.Errorf("without resending: %+v, %v, want the broker's answer", answer, err)
	}
}

func TestNodesThatComeGoAndMoveAreFollowed(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.HoldOpen = 1
	f := fakeCluster(t, kfake.NumBrokers(2))
	c := mustOpenCluster(t, f.ListenAddrs(), cfg)
	eventually(t, "both nodes are connected", func() bool { return c.Stats().Connected == 2 })

	id, _, err := f.AddNode(-1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), c.To(id)); err != nil {
		t.Errorf("a node that has come: %v", err)
	}

	if err := f.RemoveNode(1); err != nil {
		t.Fatal(err)
	}
	if err := c.Refresh(t.Context()); err != nil || len(c.Nodes()) != 2 {
		t.Errorf("after a node has gone: %v, %v", c.Nodes(), err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond) // for which it waits that the node comes back
	defer cancel()
	_, err = kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, c.To(1))
	var n *kio.NodeError
	if !errors.As(err, &n) || n.Node != 1 || !asError(t, err).SafeToRetry() {
		t.Errorf("a node that has gone: %v", err)
	}

	if _, _, err := f.AddNode(1, 0); err != nil { // on another port
		t.Fatal(err)
	}
	if _, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), c.To(1)); err != nil {
		t.Errorf("a node that is back: %v", err)
	}
}

func TestCloseEndsWhoWaits(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		f := fakeCluster(t, kfake.NumBrokers(1))
		f.ControlKey(int16(kmsg.Heartbeat), func(kmsg.Request) (kmsg.Response, error, bool) {
			f.KeepControl()
			<-t.Context().Done()
			return nil, nil, false
		})
		c := mustOpenCluster(t, f.ListenAddrs(), cfg)
		var calls sync.WaitGroup
		for range 8 {
			calls.Go(func() {
				_, err := kmsg.NewPtrHeartbeatRequest().RequestWith(context.Background(), c)
				if !errors.Is(err, net.ErrClosed) {
					t.Errorf("error %v, want one that matches net.ErrClosed", err)
				}
			})
		}
		eventually(t, "all are in flight", func() bool {
			s := c.Stats()
			return len(s.Nodes[0].Conns) == 1 && s.Nodes[0].Conns[0].InFlight == 8
		})
		_ = c.Close()
		calls.Wait()
		_, err := kmsg.NewPtrHeartbeatRequest().RequestWith(context.Background(), c)
		wantIs(t, err, net.ErrClosed)
		_ = c.Close()
	})
}

func TestClusterDrains(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		free := make(chan struct{})
		c := standalone(t, cfg, (&strictBroker{before: holdFetches(free)}).listen(t), hostile.Refused(t))
		answered := make(chan error, 1)
		go func() { answered <- fetch(context.Background(), c) }()
		waited := make(chan error, 1)
		go func() { waited <- beat(context.Background(), c, 1) }()
		eventually(t, "one is in flight", func() bool { return inFlight(c) == 1 })
		eventually(t, "and one waits for its broker", func() bool { return c.Stats().DialErrors > 1 })
		shut := make(chan error, 1)
		go func() { shut <- c.Shutdown(context.Background()) }()
		eventually(t, "new requests are refused", func() bool { return errors.Is(beat(t.Context(), c, 0), net.ErrClosed) })
		wantIs(t, <-waited, net.ErrClosed)
		select {
		case err := <-shut:
			t.Errorf("Shutdown returned %v with a request in flight", err)
		default:
		}
		close(free)
		if err := <-answered; err != nil {
			t.Errorf("the request in flight: %v", err)
		}
		if err := <-shut; err != nil {
			t.Errorf("Shutdown: %v", err)
		}
	})
}

func TestADrainThatTakesTooLongIsCutOff(t *testing.T) {
	cfg := config(t)
	free := make(chan struct{})
	defer close(free)
	c := standalone(t, cfg, (&strictBroker{before: holdFetches(free)}).listen(t))
	answered := make(chan error, 1)
	go func() { answered <- fetch(context.Background(), c) }()
	eventually(t, "it is in flight", func() bool { return inFlight(c) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	wantIs(t, c.Shutdown(ctx), context.DeadlineExceeded)
	wantIs(t, <-answered, net.ErrClosed)
}

func TestStandaloneNodesNeedNoMetadata(t *testing.T) {
	cfg := config(t)
	a, b := fakeCluster(t, kfake.NumBrokers(1)), fakeCluster(t, kfake.NumBrokers(1))
	cfg.Cluster.Standalone = true
	cfg.Timeout = 300 * time.Millisecond
	c := mustOpenCluster(t, []string{a.ListenAddrs()[0], "127.0.0.1:1", b.ListenAddrs()[0]}, cfg)
	if s := c.Stats(); s.Dials != 0 || len(s.Nodes) != 3 || s.Nodes[1].State != kio.NodeIdle {
		t.Errorf("stats %+v, want nothing dialled", s)
	}
	results := c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest())
	if results[0].Err != nil || results[2].Err != nil {
		t.Errorf("errors %v and %v, want none", results[0].Err, results[2].Err)
	}
	var n *kio.NotConnectedError
	if !errors.As(results[1].Err, &n) || n.Last == nil {
		t.Errorf("error %v, want a *NotConnectedError", results[1].Err)
	}
	if s := c.Stats(); s.Connected != 2 || s.Nodes[1].State != kio.NodeBackingOff || s.Nodes[1].Failures == 0 {
		t.Errorf("stats %+v", s)
	}
}

func TestASeedIsAllAddressesOfItsName(t *testing.T) {
	cfg := config(t)
	cfg.Timeout = 200 * time.Millisecond // after which the next one is asked beside a silent one
	f := fakeCluster(t, kfake.NumBrokers(1))
	_, port, _ := net.SplitHostPort(f.ListenAddrs()[0])
	hostile.ListenAt(t, "127.0.0.77:"+port, hostile.Stall) // takes connections and says nothing
	hostile.ListenAt(t, "127.0.0.78:"+port, hostile.CloseOnAccept)
	cfg.Resolver = startNameServer(t, zone{"brokers.test": {"127.0.0.77", "127.0.0.78", "127.0.0.1"}}, nil).resolver()
	for range 4 { // in random order
		c, err := kio.OpenCluster(t.Context(), []string{"brokers.test:" + port}, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if n := c.Nodes(); len(n) != 1 || n[0].Addr != f.ListenAddrs()[0] {
			t.Errorf("nodes %v", n)
		}
		_ = c.Close()
	}
}

func TestNodesAreReachedByTheirMappedAddresses(t *testing.T) {
	cfg := config(t)
	f := fakeCluster(t, kfake.NumBrokers(3))
	forward := make(map[string]string) // as a tunnel has it: what the metadata tells is not where it is
	for _, addr := range f.ListenAddrs() {
		forward[addr] = hostile.Listen(t, hostile.Func(func(near net.Conn) { splice(near, addr) })).Addr()
	}
	m, err := kio.AddrMap(forward)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MapAddr = m
	c := mustOpenCluster(t, f.ListenAddrs()[:1], cfg)
	for _, r := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
		if r.Err != nil {
			t.Error(r.Err)
			continue
		}
		b, err := c.Broker(t.Context(), r.Node.ID, kio.ClassShort)
		if err != nil {
			t.Fatal(err)
		}
		if b.Addr() != r.Node.Addr || b.RemoteAddr().String() != forward[r.Node.Addr] {
			t.Errorf("%s is connected to %v, want %s", b.Addr(), b.RemoteAddr(), forward[r.Node.Addr])
		}
	}
}

func TestAListenerWithoutMetadataIsAskedByDescribeCluster(t *testing.T) {
	cfg := config(t)
	s := &strictBroker{versions: map[int16][2]int16{12: {0, 4}, 18: {0, 4}, 60: {0, 2}}} // as those of controllers (KIP-919)
	addr := s.listen(t)
	c := mustOpenCluster(t, []string{addr}, cfg)
	if n := c.Nodes(); len(n) != 1 || n[0].ID != 1000 || n[0].Addr != addr || c.ID() != "controllers" {
		t.Fatalf("nodes %+v of %q, want 1000 at %s", n, c.ID(), addr)
	}
	if err := beat(t.Context(), c, 1000); err != nil {
		t.Error(err)
	}
	for _, r := range s.requests() {
		if d, ok := r.(*kmsg.DescribeClusterRequest); ok && d.EndpointType != 2 {
			t.Errorf("asked for endpoints of type %d, want 2, controllers", d.EndpointType)
		}
	}
}
