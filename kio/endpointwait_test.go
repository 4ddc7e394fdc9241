package kio_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// holder is a strictBroker's before that keeps each request of a key until it is let go, and counts those that it keeps: of each connection one, as brokers have it.
type holder struct {
	key  kmsg.Key
	free chan struct{}
	held atomic.Int32
}

func (h *holder) before(r kmsg.Request) bool {
	if r.Key() == int16(h.key) {
		h.held.Add(1)
		<-h.free
		h.held.Add(-1)
	}
	return true
}

// calls makes n calls at once, and checks their errors; the returned function waits for their end.
func calls(t *testing.T, n int, call func() error) (wait func()) {
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			if err := call(); err != nil {
				t.Error(err)
			}
		})
	}
	return all.Wait
}

func TestLongPollsHaveConnectionsOfTheirOwn(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		for name, beforehand := range map[string]int32{"from nothing": 0, "beside one": 1} {
			t.Run(name, func(t *testing.T) {
				cfg := cfg
				cfg.Cluster.ConnsPerClass = 4
				h := &holder{key: kmsg.Fetch, free: make(chan struct{})}
				b := hostile.Listen(t, (&strictBroker{before: h.before}).script)
				c := standalone(t, cfg, b.Addr())
				poll := func() error { return fetch(context.Background(), c) }
				first := calls(t, int(beforehand), poll)
				eventually(t, "it is at the broker", func() bool { return h.held.Load() == beforehand })
				others := calls(t, int(4-beforehand), poll)
				eventually(t, "the broker works on all of them", func() bool { return h.held.Load() == 4 })
				for i, s := range c.Stats().Nodes[0].Conns {
					if s.InFlight != 1 {
						t.Errorf("%d requests on connection %d, want 1", s.InFlight, i)
					}
				}
				more := calls(t, 8, poll) // more than there may be connections
				eventually(t, "they share", func() bool { return inFlight(c) == 12 })
				for i, s := range c.Stats().Nodes[0].Conns {
					if s.InFlight != 3 {
						t.Errorf("%d requests on connection %d, want 3", s.InFlight, i)
					}
				}
				close(h.free)
				first()
				others()
				more()
				if n := b.Accepted(); n != 4 {
					t.Errorf("%d connections, want 4", n)
				}
			})
		}
	})
}

func TestALongPollSharesWhereNoConnectionComes(t *testing.T) {
	for name, others := range map[string]hostile.Script{"refused": hostile.CloseOnAccept, "silent": hostile.Stall} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.Cluster.ConnsPerClass = 2
			h := &holder{key: kmsg.Fetch, free: make(chan struct{})}
			s := &strictBroker{before: h.before}
			var accepted atomic.Int32
			c := standalone(t, cfg, hostile.Listen(t, hostile.Script(func(p *hostile.Peer) {
				if accepted.Add(1) == 1 {
					s.script(p)
				} else {
					others(p)
				}
			})).Addr())
			wait := calls(t, 3, func() error { return fetch(context.Background(), c) })
			eventually(t, "all stand on the one that is there", func() bool { return inFlight(c) == 3 })
			if n := accepted.Load(); n < 2 {
				t.Errorf("%d connections, want another one tried", n)
			}
			close(h.free)
			wait()
		})
	}
}

func TestABurstOpensAllItsConnectionsAndTheNextOneFindsThem(t *testing.T) {
	for name, key := range map[string]kmsg.Key{"short": kmsg.Heartbeat, "produce": kmsg.Produce} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.Cluster.ConnsPerClass = 4
			n := 4
			call := func(c *kio.Cluster) error {
				r := kmsg.NewPtrProduceRequest()
				r.Acks = -1
				_, err := r.RequestWith(context.Background(), c.To(0))
				return err
			}
			if key == kmsg.Heartbeat {
				n *= 32 // as many share one
				call = func(c *kio.Cluster) error { return beat(context.Background(), c, 0) }
			}
			h := &holder{key: key, free: make(chan struct{}, 2*n)}
			s := &strictBroker{before: h.before, versions: map[int16][2]int16{0: {3, 11}, 12: {0, 4}, 18: {0, 4}}}
			c := standalone(t, cfg, s.listen(t))
			for round := range 2 {
				wait := calls(t, n, func() error { return call(c) })
				eventually(t, "all are in flight", func() bool { return inFlight(c) == n }) // they wait for nothing but the first connection
				eventually(t, "the class has its connections, and nobody had to ask again", func() bool { return len(c.Stats().Nodes[0].Conns) == 4 })
				for i, s := range c.Stats().Nodes[0].Conns {
					if round == 1 && s.InFlight != n/4 {
						t.Errorf("%d requests on connection %d, want %d", s.InFlight, i, n/4)
					}
				}
				for range n {
					h.free <- struct{}{}
				}
				wait()
			}
		})
	}
}

func TestGrowthKeepsToTheRate(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.Standalone = true
	cfg.Cluster.ConnsPerClass, cfg.Cluster.DialRate = 3, 20
	h := &holder{key: kmsg.Fetch, free: make(chan struct{})}
	c := mustOpenCluster(t, []string{(&strictBroker{before: h.before}).listen(t)}, cfg)
	began := time.Now()
	wait := calls(t, 3, func() error { return fetch(context.Background(), c) })
	eventually(t, "the broker works on all of them", func() bool { return h.held.Load() == 3 })
	if took := time.Since(began); took < 90*time.Millisecond { // twice 50 ms, but for the timers' grain
		t.Errorf("3 connections within %v, at 20 a second", took)
	}
	close(h.free)
	wait()
}
