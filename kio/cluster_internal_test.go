package kio

import (
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
	if n := len(c.endpoints); n != 1 {
		t.Errorf("%d addresses, want the seed's alone", n)
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
	left := c.applyLocked(metadataOf(t, young.Addr()), time.Now())
	c.mu.Unlock()
	_ = c.Close()
	c.part(left)
	if n := cfg.Engine.Conns(); n != 0 {
		t.Errorf("%d connections after Close", n)
	}
}
