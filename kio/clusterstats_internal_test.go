package kio

import (
	"context"
	"reflect"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
)

func TestCountsOfAClusterDoNotFallWhenNodesLeave(t *testing.T) {
	cfg := insideConfig(t)
	old, young := hostile.Listen(t, hostile.Stall), hostile.Listen(t, hostile.Stall)
	c := insideCluster(t, cfg, old.Addr())
	l := openLink(t, c, old.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	asked := make(chan struct{})
	go func() { // a request that the node's leaving does not end
		_, _ = l.broker.RoundTrip(ctx, make([]byte, 100))
		close(asked)
	}()
	soon(t, "it is sent", func() bool { return c.Stats().Totals.BytesSent == 104 })
	check := func(when string, ended, requests uint64, inFlight, conns int) {
		t.Helper()
		s := c.Stats()
		if s.Totals.Requests != requests || s.Totals.Conns != 1 || s.Dials != 1 || s.Totals.GaveUp != ended || s.Totals.InFlight != inFlight || s.Conns != conns {
			t.Errorf("%s: %+v, want %d requests, %d given up, %d in flight, of 1 connection, %d open to nodes", when, s, requests, ended, inFlight, conns)
		}
	}
	check("before", 0, 1, 1, 1)
	parting := c.nodes.Load().byID[0].endpoint

	drained := make(chan struct{})
	c.mu.Lock()
	left := c.applyLocked(&flight{began: time.Now()}, metadataOf(t, young.Addr()))
	c.mu.Unlock()
	go func() { c.part(left); close(drained) }()
	<-drained
	check("a node has left, and its connection is being drained", 0, 1, 1, 0)
	if parting.isOver() {
		t.Error("it is over with a connection that is open")
	}
	cancel()
	<-asked
	check("its request has ended", 1, 1, 0, 0)
	_ = l.broker.Close()
	soon(t, "it is over", parting.isOver)
	check("its connection has ended", 1, 1, 0, 0)
	c.mu.Lock()
	n := len(c.parting)
	c.mu.Unlock()
	if n != 0 {
		t.Errorf("%d endpoints that have left are kept", n)
	}
	check("it is forgotten", 1, 1, 0, 0)
}

func TestAnEndpointThatLeavesTakesItsQueuedAttemptsAlong(t *testing.T) {
	cfg := insideConfig(t)
	c := insideCluster(t, cfg, "127.0.0.1:1")
	p := seedOf(c)
	p.mu.Lock() // holds up the attempt
	a := &attempt{run: func() { t.Error("it was made") }}
	p.attempts = append(p.attempts, a)
	a.queued = true
	c.attempts.Add(1)
	p.mu.Unlock()
	p.leave(ErrNodeLeft)
	if !p.isOver() {
		t.Error("it waits for an attempt that nobody makes")
	}
}

func TestSnapshotsOfAClusterWhoseNodesMoveNeverFall(t *testing.T) {
	cfg := insideConfig(t)
	cfg.Cluster.DialRate = 1e4
	addrs := []string{hostile.Listen(t, hostile.Answer(nil)).Addr(), hostile.Listen(t, hostile.Answer(nil)).Addr()}
	c := insideCluster(t, cfg, addrs[0])
	over := make(chan struct{})
	var looking sync.WaitGroup
	for range 2 {
		looking.Go(func() {
			var last ClusterStats
			for {
				s := c.Stats()
				checkRisen(t, reflect.ValueOf(last), reflect.ValueOf(s))
				last = s
				select {
				case <-over:
					return
				default:
				}
			}
		})
	}
	var asked uint64
	for i := range 300 {
		c.land(&flight{done: make(chan struct{}), began: time.Now()}, metadataOf(t, addrs[i%2]), nil)
		p := c.nodes.Load().byID[0].endpoint
		l, err := p.get(t.Context(), ClassShort)
		if err != nil {
			t.Error(err)
			break
		}
		if _, err := l.broker.RoundTrip(t.Context(), make([]byte, 100)); err != nil {
			t.Error(err)
		}
		asked++
		p.release(l)
		if i%3 == 0 { // by itself, as a broker ends it
			_ = l.broker.conn.Close()
			_, _ = l.broker.RoundTrip(t.Context(), make([]byte, 100)) // refused
		}
	}
	close(over)
	looking.Wait()
	if s := c.Stats(); s.Totals.Requests != asked || s.Totals.Answered != asked || s.Totals.Conns != int(s.Dials-s.DialErrors) {
		t.Errorf("%d requests, %d answers, %d connections of %d dials, %d of them in vain; want %d requests", s.Totals.Requests, s.Totals.Answered, s.Totals.Conns, s.Dials, s.DialErrors, asked)
	}
}

// checkRisen compares the counts of two snapshots, which are those that have no sign.
func checkRisen(t *testing.T, before, after reflect.Value) {
	t.Helper()
	for i := range before.NumField() {
		name := before.Type().Field(i).Name
		switch b, a := before.Field(i), after.Field(i); {
		case name == "Totals":
			checkRisen(t, b, a)
		case name == "Errors":
			for class := range b.Len() {
				if b.Index(class).Uint() > a.Index(class).Uint() {
					t.Errorf("errors of class %v have fallen from %d to %d", ErrorClass(class), b.Index(class).Uint(), a.Index(class).Uint())
				}
			}
		case b.Kind() == reflect.Uint64 && b.Uint() > a.Uint(), name == "Conns" && after.Type() == reflect.TypeFor[Totals]() && b.Int() > a.Int():
			t.Errorf("%s has fallen from %v to %v", name, b, a)
		}
	}
}
