package kio

import (
	"context"
	"math"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
	"kafkaio/internal/leak"
)

// insideConfig is a configuration with an engine of the test's own, which must be without connections at the end.
func insideConfig(t *testing.T) Config {
	t.Helper()
	leak.Check(t)
	e, err := NewEngine(EngineConfig{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := e.Conns(); n != 0 {
			t.Errorf("%d connections are open at the end of the test, want 0", n)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return Config{Engine: e, Debug: &Debug{}, OpenRaw: true}
}

// insideCluster is a Cluster that has not asked anybody yet, of one seed that nobody need listen at.
func insideCluster(t *testing.T, cfg Config, seed string) *Cluster {
	t.Helper()
	cfg.OpenRaw = false
	c, err := newCluster([]string{seed}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	c.cfg.OpenRaw = true // so that a peer need not say anything
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// metadataOf is an answer that names brokers by their addresses, with ids from 0 on.
func metadataOf(t *testing.T, addrs ...string) *kmsg.MetadataResponse {
	t.Helper()
	answer := kmsg.NewPtrMetadataResponse()
	for i, addr := range addrs {
		a, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = int32(i), a.IP.String(), int32(a.Port)
		answer.Brokers = append(answer.Brokers, b)
	}
	return answer
}

// soon polls until a state is reached.
func soon(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !reached(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so in time", what)
		}
		<-time.After(time.Millisecond) // between two looks; never taken for a state
	}
}

func TestAnAnswerAfterCloseIsNotTakenOver(t *testing.T) {
	cfg := insideConfig(t)
	cfg.Cluster.HoldOpen = 1
	b := hostile.Listen(t, hostile.Stall)
	c := insideCluster(t, cfg, "127.0.0.1:1")
	f := &flight{done: make(chan struct{}), began: time.Now()}
	_ = c.Close()
	c.land(f, metadataOf(t, b.Addr()), nil)
	<-f.done
	if f.err == nil {
		t.Error("who waits for it is told that all is well")
	}
	if n := len(c.endpoints); n != 0 {
		t.Errorf("%d addresses, want none", n)
	}
	if s := cfg.Engine.DialStats(); s.Started+uint64(s.Waiting) != 0 {
		t.Errorf("attempts to connect after Close: %+v", s)
	}
}

func TestNodesThatLeaveWhileItClosesLeaveNoConnection(t *testing.T) {
	cfg := insideConfig(t)
	cfg.Cluster.HoldOpen = 1
	old, young := hostile.Listen(t, hostile.Stall), hostile.Listen(t, hostile.Stall)
	c := insideCluster(t, cfg, "127.0.0.1:1")
	c.land(&flight{done: make(chan struct{})}, metadataOf(t, old.Addr()), nil)
	soon(t, "it is connected", func() bool { return c.Stats().Connected == 1 })

	c.mu.Lock() // what land does, as far as Close can come in between
	left := c.applyLocked(&flight{began: time.Now()}, metadataOf(t, young.Addr()))
	c.mu.Unlock()
	_ = c.Close()
	c.part(left)
	if n := cfg.Engine.Conns(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

func TestWhatIsReapedWhileItClosesIsClosed(t *testing.T) {
	cfg := insideConfig(t)
	cfg.Cluster.IdleTimeout = time.Hour
	c := insideCluster(t, cfg, "127.0.0.1:1")
	l := openLink(t, c, hostile.Listen(t, hostile.Stall).Addr())
	l.idleSince = time.Now().Add(-2 * time.Hour)

	p := seedOf(c)
	p.mu.Lock() // holds up the look, behind what it has taken out or before
	looked := make(chan struct{})
	c.work.start(func() { c.reap(); close(looked) })
	soon(t, "it looks", func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.reaper == nil
	})
	closed := make(chan struct{})
	go func() { _ = c.Close(); close(closed) }()
	soon(t, "Close has begun", func() bool { return c.refusal() != nil })
	p.mu.Unlock()
	<-closed
	select {
	case <-looked:
	default:
		t.Error("Close has returned before the look at idle connections has")
	}
	if n := cfg.Engine.Conns(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}

func TestWhoConnectsWhileIdleConnectionsAreLookedForIsLookedAtNext(t *testing.T) {
	cfg := insideConfig(t)
	cfg.Cluster.IdleTimeout = time.Hour
	c := insideCluster(t, cfg, "127.0.0.1:1")
	c.watchIdle()
	p := seedOf(c)
	p.mu.Lock() // holds up the look, which finds nothing
	looked := make(chan struct{})
	c.work.start(func() { c.reap(); close(looked) })
	timer := func() *time.Timer {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.reaper
	}
	soon(t, "it looks", func() bool { return timer() == nil })
	c.watchIdle() // as a dial does that has just succeeded
	p.mu.Unlock()
	<-looked
	if timer() == nil {
		t.Error("nobody will look at the new connection")
	}
}

func TestWhoWaitsOutABackOffThatIsOverIsServed(t *testing.T) {
	cfg := insideConfig(t)
	c := insideCluster(t, cfg, hostile.Listen(t, hostile.Stall).Addr())
	p := seedOf(c)
	p.mu.Lock()
	p.retryAt = time.Now().Add(time.Hour)
	p.mu.Unlock()
	got := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		l, err := p.get(ctx, ClassShort)
		if err == nil {
			p.release(l)
		}
		got <- err
	}()
	soon(t, "it waits", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return len(p.waiters) > 0 })
	p.mu.Lock() // as when an attempt of another class succeeds: the back-off is over, the rate is not
	p.retryAt, p.nextDial = time.Time{}, time.Now().Add(20*time.Millisecond)
	p.pumpLocked()
	p.mu.Unlock()
	if err := <-got; err != nil {
		t.Errorf("nobody has woken it: %v", err)
	}
}

func TestLeadersThatAreBelievedForEverAreKept(t *testing.T) {
	cfg := insideConfig(t)
	cfg.Cluster.MetadataMaxAge = math.MaxInt64
	c := insideCluster(t, cfg, "127.0.0.1:1")
	for i, topic := range []string{"a", "b"} {
		answer := metadataOf(t, "127.0.0.1:1")
		at := kmsg.NewMetadataResponseTopic()
		at.Topic, at.Partitions = kmsg.StringPtr(topic), []kmsg.MetadataResponseTopicPartition{{Leader: 0}}
		answer.Topics = append(answer.Topics, at)
		c.land(&flight{topics: map[string]struct{}{topic: {}}, done: make(chan struct{}), began: time.Now().Add(time.Duration(i) * time.Second)}, answer, nil)
	}
	for _, topic := range []string{"a", "b"} {
		if _, ok := c.leader(topic, 0); !ok {
			t.Errorf("the leader of %s is forgotten", topic)
		}
	}
}

func TestALongPollTakesAConnectionThatIsReleased(t *testing.T) {
	cfg := insideConfig(t)
	cfg.Cluster.ConnsPerClass, cfg.Cluster.DialRate = 2, 1e-3 // the second one may be tried in a quarter of an hour
	c := insideCluster(t, cfg, hostile.Listen(t, hostile.Stall).Addr())
	p := seedOf(c)
	first, err := p.get(t.Context(), ClassFetch)
	if err != nil {
		t.Fatal(err)
	}
	soon(t, "the dial has let go of it", func() bool { return p.waiting.Load() == 0 })
	got := make(chan *link, 1)
	go func() {
		l, err := p.get(t.Context(), ClassFetch)
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	soon(t, "it waits", func() bool { return p.waiting.Load() == 1 })
	p.release(first)
	if waiting, active := p.waiting.Load(), first.active.Load(); waiting != 0 || active != 1 {
		t.Errorf("%d wait, and %d use the connection; want that it has been handed over", waiting, active)
	}
	l := <-got
	p.release(l)
	if l != first || l.active.Load() != 0 {
		t.Errorf("another connection, or in use by %d", l.active.Load())
	}
}

// openLink gives a connection that its endpoint has, and that nothing uses.
func openLink(t *testing.T, c *Cluster, addr string) *link {
	t.Helper()
	c.land(&flight{done: make(chan struct{})}, metadataOf(t, addr), nil)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	p := c.nodes.Load().byID[0].endpoint
	l, err := p.get(ctx, ClassShort)
	if err != nil {
		t.Fatal(err)
	}
	p.release(l)
	return l
}

// seedOf is the endpoint of the only seed.
func seedOf(c *Cluster) *endpoint {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.endpointLocked(c.seeds[0], "")
}
