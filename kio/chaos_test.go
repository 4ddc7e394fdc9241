package kio_test

import (
	"context"
	"errors"
	"net"
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

// metadataAnswers is a script of a broker that answers Metadata with what answer makes, or ends the connection where that is nil. host and port are its own.
func metadataAnswers(answer func(r *kmsg.MetadataRequest, host string, port int32) *kmsg.MetadataResponse) hostile.Script {
	return func(p *hostile.Peer) {
		own := p.LocalAddr().(*net.TCPAddr)
		c := &strictConn{strictBroker: &strictBroker{}, peer: p}
		for {
			raw, err := p.ReadRequest()
			if err != nil {
				return
			}
			r, id := decodeRequest(raw)
			switch r := r.(type) {
			case *kmsg.ApiVersionsRequest:
				c.apiVersions(r, id)
			case *kmsg.MetadataRequest:
				m := answer(r, own.IP.String(), int32(own.Port))
				if m == nil {
					_ = p.Close()
					return
				}
				m.Version = r.Version
				c.answer(id, m)
			default:
				c.answer(id, r.ResponseKind())
			}
		}
	}
}

// brokers is an answer to Metadata with brokers only, by id.
func brokers(ids map[int32]string, port int32) *kmsg.MetadataResponse {
	m := kmsg.NewPtrMetadataResponse()
	for id, host := range ids {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = id, host, port
		m.Brokers = append(m.Brokers, b)
	}
	return m
}

func TestARequestThatWaitsForMetadataIsSafeToRetryWhateverBecomesOfThat(t *testing.T) {
	cfg := config(t)
	var asked atomic.Int32
	b := hostile.Listen(t, metadataAnswers(func(_ *kmsg.MetadataRequest, host string, port int32) *kmsg.MetadataResponse {
		switch n := asked.Add(1); {
		case n == 1:
			return brokers(map[int32]string{0: host}, port)
		case n < 5:
			return nil // read, and not answered: as a request it could not be sent again
		default:
			return brokers(map[int32]string{0: host, 7: host}, port)
		}
	}))
	cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Millisecond, 20*time.Millisecond
	cfg.Cluster.DialRate = 1e4
	c := mustOpenCluster(t, []string{b.Addr()}, cfg)
	if err := beat(t.Context(), c, 7); err != nil {
		t.Errorf("node 7 is there at the fourth look: %v", err)
	}

	cfg.Cluster.NoResend = true
	asked.Store(0)
	once := mustOpenCluster(t, []string{b.Addr()}, cfg)
	err := beat(t.Context(), once, 7)
	var r *kio.RefreshError
	if e := withCode(t, err, kio.CodeCannotConnect); !e.SafeToRetry() || !errors.As(err, &r) || r.Error() == "" {
		t.Errorf("error %v, safe to retry: %v; want the refresh's, and true: nothing of the request was sent", err, e.SafeToRetry())
	}
}

func TestANodeWithoutAnAddressIsRefusedAtOnce(t *testing.T) {
	cfg := config(t)
	b := hostile.Listen(t, metadataAnswers(func(_ *kmsg.MetadataRequest, host string, port int32) *kmsg.MetadataResponse {
		m := brokers(map[int32]string{0: host}, port)
		m.Brokers = append(m.Brokers, brokers(map[int32]string{1: ""}, -1).Brokers...)
		m.Brokers = append(m.Brokers, brokers(map[int32]string{2: "kafka://x,y"}, 1<<20).Brokers...)
		return m
	}))
	c := mustOpenCluster(t, []string{b.Addr()}, cfg)
	for _, node := range []int32{1, 2} {
		began := time.Now()
		if err := beat(t.Context(), c, node); err == nil || !asError(t, err).SafeToRetry() {
			t.Errorf("node %d: error %v", node, err)
		}
		if took := time.Since(began); took > patience/2 {
			t.Errorf("node %d: it took %v to find that out", node, took)
		}
	}
	if err := beat(t.Context(), c, 0); err != nil {
		t.Errorf("the node that has one: %v", err)
	}
}

func TestABrokerThatRestartsIsNotHeldUpBySilentOnes(t *testing.T) {
	cfg := config(t)
	engine, err := kio.NewEngine(kio.EngineConfig{Loops: 1, MaxDials: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	cfg.Engine = engine
	cfg.DialTimeout = 500 * time.Millisecond
	cfg.Cluster.HoldOpen = 1
	alive := hostile.Listen(t, (&strictBroker{}).script)
	addrs := []string{alive.Addr()}
	const silent = 24
	for range silent {
		addrs = append(addrs, hostile.Listen(t, hostile.Stall).Addr())
	}
	c := standalone(t, cfg, addrs...)
	eventually(t, "it is known who is silent", func() bool {
		s := c.Stats()
		for _, n := range s.Nodes[1:] {
			if n.Failures == 0 {
				return false
			}
		}
		return s.Nodes[0].State == kio.NodeConnected
	})
	alive.Close()
	eventually(t, "the other one has gone", func() bool { return c.Stats().Nodes[0].Failures > 0 })
	hostile.ListenAt(t, alive.Addr(), (&strictBroker{}).script)
	back := time.Now()
	eventually(t, "it is connected again", func() bool { return c.Stats().Nodes[0].State == kio.NodeConnected })
	// Two places for the silent ones: it would stand behind 24 attempts of half a second each.
	if took := time.Since(back); took > silent*cfg.DialTimeout/4 {
		t.Errorf("it took %v", took)
	}
}

func TestANodeNeverHasMoreConnectionsThanItMay(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		for name, hold := range map[string]int{"when requests need them": 0, "where one is held open": 1} {
			t.Run(name, func(t *testing.T) {
				cfg := cfg
				cfg.Cluster.HoldOpen, cfg.Cluster.MaxConns, cfg.Cluster.MaxDials = hold, 1, 5
				open := make(chan struct{})
				b := hostile.Listen(t, func(p *hostile.Peer) {
					<-open // so that all who ask for one do so while it is on its way
					(&strictBroker{}).script(p)
				})
				c := standalone(t, cfg, b.Addr())
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				var calls sync.WaitGroup
				for _, class := range []kio.Class{kio.ClassShort, kio.ClassFetch, kio.ClassGroup, kio.ClassProduce} {
					calls.Go(func() {
						if _, err := c.Broker(ctx, 0, class); err != nil {
							t.Errorf("%v: %v", class, err)
						}
					})
				}
				eventually(t, "all wait", func() bool { return c.Stats().Waiting == 4 })
				eventually(t, "one is on its way", func() bool { return b.Accepted() > 0 })
				close(open)
				calls.Wait()
				if n := b.Accepted(); n != 1 {
					t.Errorf("%d connections, want 1", n)
				}
				for range 10 {
					if err := errors.Join(beat(ctx, c, 0), fetch(ctx, c)); err != nil {
						t.Error(err)
					}
				}
				if n := b.Accepted(); hold > 0 && n != 1 {
					t.Errorf("%d connections, want the held one alone", n)
				}
			})
		}
	})
}

func TestManyHeldConnectionsAreCounted(t *testing.T) {
	cfg := config(t)
	const hold = 300
	cfg.Cluster.HoldOpen, cfg.Cluster.ConnsPerClass, cfg.Cluster.MaxDials, cfg.Cluster.MaxConns = hold, hold, 2*hold, 4*hold
	cfg.DialTimeout = time.Minute
	b := hostile.Listen(t, hostile.Stall)
	engine, err := kio.NewEngine(kio.EngineConfig{Loops: 1, MaxDials: 4 * hold, DialRate: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = engine.Close() })
	cfg.Engine = engine
	cfg.Cluster.Standalone, cfg.Cluster.DialRate = true, 1e6
	c := mustOpenCluster(t, []string{b.Addr()}, cfg)
	eventually(t, "all are on their way", func() bool { return c.Stats().Dials >= hold })
	_ = beatBriefly(t, c)
	if n := c.Stats().Dials; n != hold {
		t.Errorf("%d attempts, want %d", n, hold)
	}
}

// beatBriefly asks node 0 something for which it will not wait long, and gives the Cluster a reason to look after the node.
func beatBriefly(t *testing.T, c *kio.Cluster) error {
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	return beat(ctx, c, 0)
}

// panicky is a mechanism that panics for as long as it is told to.
type panicky struct {
	sasl.Mechanism
	panics *atomic.Bool
}

func (m panicky) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	if m.panics.Load() {
		panic("no vault today")
	}
	return m.Mechanism.Authenticate(ctx, host)
}

func TestCallbacksThatPanicAreFailedAttempts(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		for name, set := range map[string]func(c *kio.Config, panics *atomic.Bool){
			"Config.Dialer": func(c *kio.Config, panics *atomic.Bool) {
				c.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
					if panics.Load() {
						panic("no tunnel today")
					}
					return (&net.Dialer{}).DialContext(ctx, network, address)
				}
			},
			"Config.SASL": func(c *kio.Config, panics *atomic.Bool) {
				c.AllowPlaintextSASL = true
				c.SASL = []sasl.Mechanism{panicky{plain.Auth{User: "alice", Pass: "wonderland"}.AsMechanism(), panics}}
			},
		} {
			t.Run(name, func(t *testing.T) {
				cfg := cfg
				var panics atomic.Bool
				panics.Store(true)
				set(&cfg, &panics)
				s := &strictBroker{}
				if cfg.SASL != nil {
					s.offered, s.verify = []string{"PLAIN"}, password("wonderland")
				}
				c := standalone(t, cfg, s.listen(t))
				err := beat(t.Context(), c, 0)
				var p *kio.PanicError
				if e := withCode(t, err, kio.CodeCannotConnect); !errors.As(err, &p) || len(p.Stack) == 0 || !e.SafeToRetry() {
					t.Errorf("error %v, want one with the panic", err)
				}
				panics.Store(false)
				eventually(t, "it works again", func() bool { return beat(t.Context(), c, 0) == nil })
			})
		}
	})
}

func TestConnectionsThatComeToNothingBackOff(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.Cluster.HoldOpen = 1
		cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Hour, time.Hour
		once := hostile.Listen(t, (&strictBroker{}).script)
		c := standalone(t, cfg, once.Addr())
		eventually(t, "it is connected", func() bool { return c.Stats().Connected == 1 })
		for _, conn := range once.Conns() {
			_ = conn.(*hostile.Peer).CloseWrite()
		}
		eventually(t, "the end is noticed", func() bool { return c.Stats().Disconnects == 1 })
		if s := c.Stats().Nodes[0]; s.State != kio.NodeBackingOff || s.Failures != 1 || s.LastError == nil || s.DialErrors != 0 {
			t.Errorf("stats %+v", s)
		}

		cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Millisecond, time.Minute
		always := hostile.Listen(t, func(p *hostile.Peer) { // opens properly, and ends
			c := &strictConn{strictBroker: &strictBroker{}, peer: p}
			c.serve()
			_ = p.Close()
		})
		c = standalone(t, cfg, always.Addr())
		eventually(t, "failures add up", func() bool { return c.Stats().Nodes[0].Failures >= 6 })
		if n := always.Accepted(); n > 8 {
			t.Errorf("%d connections for the first 6 failures", n)
		}
	})
}

func TestNothingIsHeldOpenOnAnEngineThatHasStopped(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.Cluster.HoldOpen = 1
		b, gone := hostile.Listen(t, (&strictBroker{}).script), hostile.Refused(t)
		c := standalone(t, cfg, b.Addr(), gone)
		eventually(t, "it is connected", func() bool { return c.Stats().Connected == 1 })
		if err := cfg.Engine.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the end is noticed", func() bool { s := c.Stats(); return s.Conns == 0 && s.Nodes[0].LastError != nil })
		before := c.Stats().Nodes[0].Dials
		<-time.After(200 * time.Millisecond) // ten back-offs at least, for what must not happen
		if n := c.Stats().Nodes[0].Dials - before; n > 1 {
			t.Errorf("%d more attempts", n)
		}
		if n := b.Accepted(); n > 2 {
			t.Errorf("%d connections", n)
		}
		err := beat(t.Context(), c, 0)
		if err == nil || !asError(t, err).SafeToRetry() {
			t.Errorf("a request then: %v", err)
		}
	})
}

func TestAnswersToWhatWasNotAskedAreNotKept(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.HoldOpen = 1
	cfg.Cluster.UnknownTopicWait = -1
	shadow := hostile.Listen(t, (&strictBroker{}).script)
	shadowHost, shadowPort := splitPort(t, shadow.Addr())
	var asked atomic.Int32
	b := hostile.Listen(t, metadataAnswers(func(r *kmsg.MetadataRequest, host string, port int32) *kmsg.MetadataResponse {
		asked.Add(1)
		m := brokers(map[int32]string{0: shadowHost}, shadowPort)
		m.Brokers = append(m.Brokers, brokers(map[int32]string{0: host}, port).Brokers...) // the same id again
		for _, topic := range []string{"right", "wrong", "unasked"} {
			at := kmsg.NewMetadataResponseTopic()
			at.Topic = kmsg.StringPtr(topic)
			for partition := range int32(3000) {
				p := kmsg.NewMetadataResponseTopicPartition()
				p.Partition = partition
				if topic == "wrong" {
					p.Partition = (partition - 1500) * 1000000 // all but that of 0
				}
				at.Partitions = append(at.Partitions, p)
			}
			m.Topics = append(m.Topics, at)
		}
		return m
	}))
	c := mustOpenCluster(t, []string{b.Addr()}, cfg)
	if n, err := c.Leader(t.Context(), "right", 2999); n != 0 || err != nil {
		t.Errorf("leader %d, %v", n, err)
	}
	before := asked.Load()
	if n, err := c.Leader(t.Context(), "unasked", 0); n != 0 || err != nil || asked.Load() == before {
		t.Errorf("leader %d, %v, asked %d times: want it asked for", n, err, asked.Load()-before)
	}
	began := time.Now()
	var l *kio.LeaderError
	for _, topic := range []string{"missing", "unasked"} { // the first is in no answer
		if _, err := c.Leader(t.Context(), topic, 3000); !errors.As(err, &l) {
			t.Errorf("%s: %v, want a *LeaderError", topic, err)
		}
	}
	if n, err := c.Leader(t.Context(), "wrong", 0); n != 0 || err != nil {
		t.Errorf("leader %d, %v", n, err)
	}
	if took := time.Since(began); took > patience/2 {
		t.Errorf("it took %v to find out", took)
	}
	if n := shadow.Accepted(); n != 0 {
		t.Errorf("%d connections to a node that cannot be named", n)
	}
}

func TestCloseCutsAShutdownShort(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		free := make(chan struct{})
		defer close(free)
		c := standalone(t, cfg, (&strictBroker{before: holdFetches(free)}).listen(t))
		fetched := make(chan error, 1)
		go func() { fetched <- fetch(context.Background(), c) }()
		eventually(t, "it is in flight", func() bool { return inFlight(c) == 1 })
		shut := make(chan error, 1)
		go func() { shut <- c.Shutdown(context.Background()) }()
		eventually(t, "new requests are refused", func() bool { return errors.Is(beat(t.Context(), c, 0), net.ErrClosed) })
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		shutAgain := make(chan error, 1) // which waits for the first, and then cuts
		go func() { shutAgain <- c.Shutdown(ctx) }()
		wantIs(t, <-shutAgain, context.DeadlineExceeded)
		_ = c.Close()
		if n := cfg.Engine.Conns(); n != 0 {
			t.Errorf("%d connections after Close", n)
		}
		wantIs(t, <-fetched, net.ErrClosed)
		wantIs(t, <-shut, net.ErrClosed)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Errorf("Shutdown after Close: %v", err)
		}
	})
}

func TestNodesThatAreDownAreNoReasonToAskForEver(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.HoldOpen = 1
	cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Millisecond, time.Second
	cfg.Cluster.DialRate = 1e4
	_, nobody := splitPort(t, hostile.Refused(t))
	other := hostile.Listen(t, (&strictBroker{}).script)
	otherHost, otherPort := splitPort(t, other.Addr())
	var moved atomic.Bool
	b := hostile.Listen(t, metadataAnswers(func(_ *kmsg.MetadataRequest, host string, port int32) *kmsg.MetadataResponse {
		m := brokers(map[int32]string{0: host}, port)
		for id := range int32(20) {
			m.Brokers = append(m.Brokers, brokers(map[int32]string{1 + id: net.IPv4(127, 0, 0, byte(1+id)).String()}, nobody).Brokers...)
		}
		if moved.Load() {
			m.Brokers = append(m.Brokers, brokers(map[int32]string{1: otherHost}, otherPort).Brokers...)
		}
		return m
	}))
	began := time.Now()
	c := mustOpenCluster(t, []string{b.Addr()}, cfg)
	eventually(t, "many attempts have failed", func() bool { return c.Stats().DialErrors >= 320 })
	if n, most := c.Stats().Refreshes, 7+time.Since(began)/cfg.Cluster.MaxBackoff; n > uint64(most) {
		t.Errorf("the nodes were asked for %d times in %v, want at most %d", n, time.Since(began), most)
	}
	moved.Store(true)
	eventually(t, "a node that has moved is found", func() bool { return other.Accepted() > 0 })
}

// splitPort takes an address apart.
func splitPort(t *testing.T, addr string) (string, int32) {
	t.Helper()
	a, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return a.IP.String(), int32(a.Port)
}
