package kio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// standalone opens a Cluster of brokers that have nothing to do with each other, with back-offs that suit a test.
func standalone(t *testing.T, cfg kio.Config, addrs ...string) *kio.Cluster {
	t.Helper()
	cfg.Cluster.Standalone = true
	if cfg.Cluster.Backoff == 0 {
		cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Millisecond, 20*time.Millisecond
	}
	cfg.Cluster.DialRate = 1e4
	return mustOpenCluster(t, addrs, cfg)
}

// beat asks a node something short.
func beat(ctx context.Context, c *kio.Cluster, node int32) error {
	_, err := kmsg.NewPtrHeartbeatRequest().RequestWith(ctx, c.To(node))
	return err
}

// fetch asks the first node for records.
func fetch(ctx context.Context, c *kio.Cluster) error {
	_, err := kmsg.NewPtrFetchRequest().RequestWith(ctx, c.To(0))
	return err
}

// holdFetches is a strictBroker's before that keeps each Fetch until free is closed.
func holdFetches(free <-chan struct{}) func(kmsg.Request) bool {
	return func(r kmsg.Request) bool {
		if _, ok := r.(*kmsg.FetchRequest); ok {
			<-free
		}
		return true
	}
}

// inFlight is how many requests the first node's connections have in flight.
func inFlight(c *kio.Cluster) (n int) {
	for _, s := range c.Stats().Nodes[0].Conns {
		n += s.InFlight
	}
	return n
}

func TestALongPollHoldsBackNoShortRequest(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		free := make(chan struct{})
		c := standalone(t, cfg, (&strictBroker{before: holdFetches(free)}).listen(t))
		fetched := make(chan error, 1)
		go func() { fetched <- fetch(context.Background(), c) }()
		eventually(t, "the fetch is in flight", func() bool { return inFlight(c) == 1 })
		if err := beat(t.Context(), c, 0); err != nil {
			t.Errorf("a short request: %v", err)
		}
		select {
		case err := <-fetched:
			t.Errorf("the fetch has ended: %v", err)
		default:
		}
		classes := map[kio.Class]int{}
		for _, s := range c.Stats().Nodes[0].Conns {
			classes[s.Class]++
		}
		if classes[kio.ClassFetch] != 1 || classes[kio.ClassShort] != 1 || len(classes) != 2 {
			t.Errorf("connections by class: %v", classes)
		}
		close(free)
		if err := <-fetched; err != nil {
			t.Errorf("the fetch: %v", err)
		}
	})
}

func TestABusyClassGetsMoreConnectionsUpToItsBound(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.ConnsPerClass = 2
	free := make(chan struct{})
	b := hostile.Listen(t, (&strictBroker{before: holdFetches(free)}).script)
	c := standalone(t, cfg, b.Addr())
	var fetches sync.WaitGroup
	for range 6 {
		fetches.Go(func() {
			if err := fetch(context.Background(), c); err != nil {
				t.Error(err)
			}
		})
	}
	eventually(t, "all are in flight", func() bool { return inFlight(c) == 6 })
	eventually(t, "the class has its two connections", func() bool { return len(c.Stats().Nodes[0].Conns) == 2 })
	fetches.Go(func() { _ = fetch(context.Background(), c) })
	eventually(t, "one more is in flight", func() bool { return inFlight(c) == 7 })
	if n := b.Accepted(); n != 2 {
		t.Errorf("%d connections, want 2", n)
	}
	close(free)
	fetches.Wait()
}

func TestClassesShareWhereConnectionsAreFew(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.MaxConns = 1
	free := make(chan struct{})
	b := hostile.Listen(t, (&strictBroker{before: holdFetches(free)}).script)
	c := standalone(t, cfg, b.Addr())
	if err := beat(t.Context(), c, 0); err != nil {
		t.Fatal(err)
	}
	fetched := make(chan error, 1) // for which the idle connection makes room
	go func() { fetched <- fetch(context.Background(), c) }()
	eventually(t, "the fetch is in flight", func() bool { return inFlight(c) == 1 })
	if got := c.Stats().Nodes[0].Conns[0].Class; got != kio.ClassFetch {
		t.Errorf("the connection is for %v", got)
	}
	beaten := make(chan error, 1)
	go func() { beaten <- beat(context.Background(), c, 0) }()
	eventually(t, "both share it", func() bool { return inFlight(c) == 2 })
	close(free)
	if err := errors.Join(<-fetched, <-beaten); err != nil {
		t.Error(err)
	}
	if n := b.Accepted(); n != 2 {
		t.Errorf("%d connections, want 2, one after the other", n)
	}
}

func TestConnectionsThatEndAreOpenedAnew(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		for name, hold := range map[string]int{"when a request needs it": 0, "at once where they are held open": 1} {
			t.Run(name, func(t *testing.T) {
				cfg := cfg
				cfg.Cluster.HoldOpen = hold
				b := hostile.Listen(t, (&strictBroker{}).script)
				c := standalone(t, cfg, b.Addr())
				if err := beat(t.Context(), c, 0); err != nil {
					t.Fatal(err)
				}
				for i := 1; i <= 3; i++ {
					for _, conn := range b.Conns() {
						_ = conn.(*hostile.Peer).CloseWrite() // a FIN, seen while it is idle
					}
					eventually(t, "the end is noticed", func() bool { return c.Stats().Disconnects == uint64(i) })
					if hold > 0 {
						eventually(t, "it is connected again", func() bool { return c.Stats().Connected == 1 })
					} else if s := c.Stats().Nodes[0].State; s != kio.NodeIdle {
						t.Errorf("the node is %v", s)
					}
					if err := beat(t.Context(), c, 0); err != nil {
						t.Errorf("request %d: %v", i, err)
					}
				}
				if n := b.Accepted(); n != 4 {
					t.Errorf("%d connections, want 4", n)
				}
				// Each connection was opened by a request of its own.
				if s := c.Stats(); s.Totals.Conns != 4 || s.Totals.Answered != 8 || s.Totals != s.Nodes[0].Totals {
					t.Errorf("sums %+v, of the node %+v; want 8 answers over 4 connections", s.Totals, s.Nodes[0].Totals)
				}
			})
		}
	})
}

func TestARequestWaitsForItsBrokerWithinItsDeadline(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		gone := hostile.Listen(t)
		addr := gone.Addr()
		gone.Close()
		c := standalone(t, cfg, addr)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		began := time.Now()
		err := beat(ctx, c, 0)
		if took := time.Since(began); took > patience/2 {
			t.Errorf("it took %v", took)
		}
		var n *kio.NotConnectedError
		if e := asError(t, err); !errors.As(err, &n) || !e.SafeToRetry() || e.Addr != addr {
			t.Errorf("error %v", err)
		}
		if s := c.Stats(); s.Dials < 2 {
			t.Errorf("%d attempts within the deadline, want some", s.Dials)
		}

		done := make(chan error, 1)
		go func() { done <- beat(context.Background(), c, 0) }() // Config.Timeout is the test's patience
		before := c.Stats().DialErrors
		eventually(t, "it has tried", func() bool { return c.Stats().DialErrors > before })
		hostile.ListenAt(t, addr, (&strictBroker{}).script)
		if err := <-done; err != nil {
			t.Errorf("the broker has come, and: %v", err)
		}
		if s := c.Stats().Nodes[0]; s.Failures != 0 || s.LastError != nil || s.State != kio.NodeConnected {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestARequestThatCannotBeInTimeFailsAtOnce(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Hour, time.Hour
	c := standalone(t, cfg, hostile.Refused(t))
	if err := beat(t.Context(), c, 0); err == nil {
		t.Fatal("no error")
	}
	began := time.Now()
	err := beat(t.Context(), c, 0)
	var n *kio.NotConnectedError
	if !errors.As(err, &n) || n.Last == nil || time.Until(n.Retry) < time.Second {
		t.Errorf("error %v", err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %v, with an attempt due in %v", took, time.Until(n.Retry))
	}
	if s := c.Stats(); s.Dials != 1 {
		t.Errorf("%d attempts", s.Dials)
	}
}

func TestASilentBrokerHoldsNobodyBeyondTheDeadline(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.DialTimeout = 200 * time.Millisecond
		b := hostile.Listen(t, hostile.Stall)
		c := standalone(t, cfg, b.Addr())
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		err := beat(ctx, c, 0)
		if !asError(t, err).Timeout() || !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v, want a timeout", err)
		}
		ctx, cancel = context.WithCancel(t.Context())
		go func() {
			eventually(t, "it waits", func() bool { return c.Stats().Waiting == 1 })
			cancel()
		}()
		wantIs(t, beat(ctx, c, 0), context.Canceled)
		eventually(t, "the attempt fails", func() bool { return c.Stats().DialErrors > 0 })
		if s := c.Stats().Nodes[0]; s.Failures == 0 || s.LastError == nil || s.Waiting != 0 {
			t.Errorf("afterwards: %+v", s)
		}
	})
}

func TestTheBackOffEndsOnlyWhenAConnectionIsOpenedProperly(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.HoldOpen = 1
	b := hostile.Listen(t, hostile.CloseOnAccept) // TCP is fine, ApiVersions is not
	c := standalone(t, cfg, b.Addr())
	eventually(t, "failures add up", func() bool { return c.Stats().Nodes[0].Failures >= 5 })
	if accepted := b.Accepted(); accepted < 5 {
		t.Errorf("%d connections, want as many as failures", accepted)
	}
}

func TestWrongCredentialsAreNotTriedAgainWithinACall(t *testing.T) {
	cfg := config(t)
	cfg.AllowPlaintextSASL = true
	cfg.SASL = []sasl.Mechanism{plain.Auth{User: "alice", Pass: "wrong"}.AsMechanism()}
	cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Hour, time.Hour
	s := &strictBroker{offered: []string{"PLAIN"}, verify: password("wonderland")}
	c := standalone(t, cfg, s.listen(t))
	for range 3 {
		err := beat(t.Context(), c, 0)
		var auth *kio.AuthError
		if !errors.As(err, &auth) || auth.Code != authenticationFailed {
			t.Fatalf("error %v, want the broker's refusal", err)
		}
	}
	if n := len(s.handshaken()); n != 1 {
		t.Errorf("%d attempts with the wrong password, want 1", n)
	}
}

func TestOnlyWhatCannotHaveReachedABrokerIsSentAgain(t *testing.T) {
	cfg := config(t)
	var seen atomic.Int32
	s := &strictBroker{before: func(r kmsg.Request) bool {
		if _, ok := r.(*kmsg.HeartbeatRequest); ok {
			return seen.Add(1) != 1 // reads the first one, and ends the connection
		}
		return true
	}}
	c := standalone(t, cfg, s.listen(t))
	err := beat(t.Context(), c, 0)
	if err == nil || asError(t, err).SafeToRetry() {
		t.Errorf("error %v, want one that is not safe to retry", err)
	}
	if n := seen.Load(); n != 1 {
		t.Errorf("the broker has seen it %d times", n)
	}
	if err := beat(t.Context(), c, 0); err != nil {
		t.Errorf("the next one: %v", err)
	}
}

func TestRequestGoesToANodeThatLives(t *testing.T) {
	cfg := config(t)
	c := standalone(t, cfg, hostile.Refused(t), hostile.Refused(t), (&strictBroker{}).listen(t), hostile.Refused(t))
	for range 10 {
		if _, err := kmsg.NewPtrHeartbeatRequest().RequestWith(t.Context(), c); err != nil {
			t.Error(err)
		}
	}
	if s := c.Stats(); s.Nodes[2].Conns[0].Answered < 10 {
		t.Errorf("stats %+v", s.Nodes[2])
	}
}

func TestIdleConnectionsAreReaped(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.Cluster.IdleTimeout = 100 * time.Millisecond
		held, reaped := hostile.Listen(t, (&strictBroker{}).script), hostile.Listen(t, (&strictBroker{}).script)
		cfg.Cluster.HoldOpen = 1
		keeps := standalone(t, cfg, held.Addr())
		cfg.Cluster.HoldOpen = 0
		lets := standalone(t, cfg, reaped.Addr())
		for range 2 {
			if err := errors.Join(beat(t.Context(), keeps, 0), beat(t.Context(), lets, 0), fetch(t.Context(), keeps)); err != nil {
				t.Fatal(err)
			}
			eventually(t, "idle connections are gone", func() bool { return lets.Stats().Conns == 0 && keeps.Stats().Conns == 1 })
		}
		if n := held.Accepted(); n != 3 {
			t.Errorf("%d connections, want the held one, and one each time for the fetch", n)
		}
		if s := lets.Stats(); s.Reaped != 2 || s.Disconnects != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestLentBrokersTakeTurns(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.HoldOpen, cfg.Cluster.ConnsPerClass = 3, 3
	c := standalone(t, cfg, (&strictBroker{}).listen(t))
	eventually(t, "all are open", func() bool { return c.Stats().Conns == 3 })
	lent := map[*kio.Broker]int{}
	for range 9 {
		b, err := c.Broker(t.Context(), 0, kio.ClassShort)
		if err != nil {
			t.Fatal(err)
		}
		lent[b]++
	}
	if len(lent) != 3 {
		t.Errorf("%d of 3 connections were lent", len(lent))
	}
	for b, n := range lent {
		if n != 3 {
			t.Errorf("%v was lent %d times of 9", b.LocalAddr(), n)
		}
	}
	_, err := c.Broker(t.Context(), 1, kio.ClassShort) // there is node 0 only
	wantCode(t, err, kio.CodeInvalidArgument)
	_, err = c.Broker(t.Context(), 0, 99)
	wantCode(t, err, kio.CodeInvalidArgument)
}

func TestNamesAreLookedUpAnewToConnectAgain(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		first := hostile.Listen(t, (&strictBroker{}).script)
		_, port, _ := net.SplitHostPort(first.Addr())
		names := startNameServer(t, zone{"broker.test": {"127.0.0.1"}}, nil)
		cfg.Resolver = names.resolver()
		cfg.Cluster.HoldOpen = 1
		c := standalone(t, cfg, "broker.test:"+port)
		if err := beat(t.Context(), c, 0); err != nil {
			t.Fatal(err)
		}
		names.zone.Store(&zone{"broker.test": {"127.0.0.88"}}) // from where it comes back
		moved := hostile.ListenAt(t, "127.0.0.88:"+port, (&strictBroker{}).script)
		first.Close()
		eventually(t, "its end is noticed", func() bool { return c.Stats().Disconnects > 0 })
		if err := beat(t.Context(), c, 0); err != nil {
			t.Error(err)
		}
		if moved.Accepted() == 0 {
			t.Error("the broker at its new address was not asked")
		}
		_ = c.Close() // before the brokers, whose end would make it look the name up once more
	})
}

func TestIdleBrokersHaveNoGoroutines(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		const nodes = 200
		cfg.Cluster.HoldOpen = 1
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		_ = ln.Close()
		b := hostile.ListenAt(t, "0.0.0.0:"+port, (&strictBroker{}).script)
		var addrs []string
		for i := range nodes {
			addrs = append(addrs, net.JoinHostPort(net.IPv4(127, 0, 1, byte(i+1)).String(), port))
		}
		before := runtime.NumGoroutine()
		c := standalone(t, cfg, addrs...)
		eventually(t, "all are connected", func() bool { return c.Stats().Connected == nodes && len(b.Conns()) == nodes })
		eventually(t, "no more goroutines than the broker's own", func() bool { return runtime.NumGoroutine()-before <= nodes })
	})
}
