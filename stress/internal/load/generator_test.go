package load_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
	"kafkaio/internal/leak"
	"kafkaio/kio"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/responder"
	"kafkaio/stress/internal/target"
	"kafkaio/stress/internal/workload"
)

const topic = "topic"

// check is leak.Check without the workers of gnet's pool, which end when they have been idle for 10 s.
func check(t *testing.T) {
	t.Helper()
	leak.Check(t, leak.IgnoreGoroutine("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// brokersOf discovers a cluster and encodes requests for it, as the command does.
func brokersOf(t *testing.T, addrs []string, spec string) []load.Broker {
	t.Helper()
	mix, err := workload.ParseMix(spec)
	if err != nil {
		t.Fatal(err)
	}
	engine, err := kio.NewEngine(kio.EngineConfig{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, err := target.Discover(ctx, target.Config{
		Seeds: addrs, Topic: topic, NeedTopic: mix.NeedsTopic(), Kio: kio.Config{Engine: engine, Timeout: 5 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	var brokers []load.Broker
	for _, b := range c.Brokers {
		set, err := workload.Build(b.Target, workload.Options{Mix: mix, RecordBytes: 100, FetchBytes: 4096, Timeout: 5 * time.Second, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		brokers = append(brokers, load.Broker{ID: b.ID, Addr: b.Addr, Requests: set})
	}
	return brokers
}

// apiVersions is the simplest of requests, for brokers that are not discovered.
func apiVersions(t *testing.T) *workload.Set {
	t.Helper()
	set, err := workload.Build(workload.Target{Versions: workload.Versions{kmsg.ApiVersions: {Max: 3}}}, workload.Options{Mix: workload.Mix{workload.ApiVersions: 1}})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func startFake(t *testing.T) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(30, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	for p := range int32(30) {
		if err := c.MoveTopicPartition(topic, p, p%3); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

func startResponder(t *testing.T, cfg responder.Config) *responder.Responder {
	t.Helper()
	cfg.Topic = topic
	r, err := responder.Start(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r
}

func mustNew(t *testing.T, cfg load.Config) *load.Generator {
	t.Helper()
	if cfg.InFlight == 0 {
		cfg.InFlight = 1
	}
	if cfg.Timeout == 0 {
		cfg.Timeout = 5 * time.Second
	}
	g, err := load.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// run opens, drives until until says so (nil: until the duration is over) and closes.
func run(t *testing.T, g *load.Generator, until func(load.Progress) bool) *load.Result {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := g.Open(ctx); err != nil {
		g.Close()
		t.Fatal(err)
	}
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		if until == nil {
			return
		}
		for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); {
			if p := g.Progress(); until(p) {
				break
			}
			<-time.After(time.Millisecond) // between two looks
		}
		cancel()
	}()
	g.Drive(ctx)
	<-watched
	r := g.Close()
	if err := r.Check(); err != nil {
		t.Errorf("the law is broken: %v", err)
	}
	return r
}

func TestLoadOnKafka(t *testing.T) {
	check(t)
	fake := startFake(t)
	brokers := brokersOf(t, fake.ListenAddrs(), "mixed")
	const connections, inFlight = 30, 3
	g := mustNew(t, load.Config{Brokers: brokers, Connections: connections, InFlight: inFlight, Seed: 1})
	r := run(t, g, func(p load.Progress) bool { return p.OK >= 2000 })
	if !r.Clean() || r.End != load.EndInterrupted {
		t.Errorf("clean %t, end %q, errors %v, died %v; want a clean load that was interrupted", r.Clean(), r.End, r.Total.Errors, r.Died())
	}
	if len(r.Brokers) != 3 || len(r.APIs) != 4 {
		t.Fatalf("%d brokers and %d APIs, want 3 and 4", len(r.Brokers), len(r.APIs))
	}
	var sent, received uint64
	for _, b := range r.Brokers {
		if b.Opened != connections/3 || b.OK == 0 || b.Latency.Count() != b.OK {
			t.Errorf("broker %d: %d connections, %d ok, %d latencies; want %d and some and as many", b.ID, b.Opened, b.OK, b.Latency.Count(), connections/3)
		}
	}
	for _, a := range r.APIs {
		if a.OK == 0 {
			t.Errorf("no %v", a.API)
		}
		sent += a.BytesSent
		received += a.BytesReceived
	}
	// The slots and the library count bytes apart from each other.
	if sent != r.Total.BytesSent || received != r.Total.BytesReceived {
		t.Errorf("bytes sent %d and received %d by request, %d and %d by connection; want the same", sent, received, r.Total.BytesSent, r.Total.BytesReceived)
	}
	if produced := fake.PartitionInfos(topic); !slices.ContainsFunc(produced, func(p *kfake.PartitionInfo) bool { return p.HighWatermark > 0 }) {
		t.Error("no record was stored, want some")
	}
}

func TestLoadEndsAfterItsDuration(t *testing.T) {
	check(t)
	r := startResponder(t, responder.Config{})
	brokers := brokersOf(t, r.Addrs(), "mixed")
	g := mustNew(t, load.Config{Brokers: brokers, Connections: 4, Duration: 50 * time.Millisecond})
	result := run(t, g, nil)
	if !result.Clean() || result.End != load.EndDuration || result.Sending < 50*time.Millisecond {
		t.Errorf("clean %t, end %q after %v; want a clean end after 50ms", result.Clean(), result.End, result.Sending)
	}
}

// A seed repeats the order of each slot, so the same number of requests has the same mix.
func TestSeedRepeats(t *testing.T) {
	r := startResponder(t, responder.Config{})
	brokers := brokersOf(t, r.Addrs(), "mixed")
	first := func(seed uint64) []workload.API {
		p := brokers[0].Requests.Picker(seed, 0)
		var order []workload.API
		for range 50 {
			order = append(order, p.Next().API)
		}
		return order
	}
	if !slices.Equal(first(1), first(1)) || slices.Equal(first(1), first(2)) {
		t.Error("the order does not follow the seed")
	}
}

func TestTimeoutsAreFailures(t *testing.T) {
	check(t)
	r := startResponder(t, responder.Config{Delay: time.Minute}) // longer than the test
	brokers := []load.Broker{{Addr: r.Addrs()[0], Requests: apiVersions(t)}}
	g := mustNew(t, load.Config{Brokers: brokers, Connections: 2, Timeout: 20 * time.Millisecond})
	result := run(t, g, func(p load.Progress) bool { return p.Failed >= 4 })
	if result.Total.Failed < 4 || result.Total.Errors[load.ClassTimeout] != result.Total.Failed || result.Total.OK != 0 {
		t.Errorf("%d ok, %d failed: %v; want timeouts alone", result.Total.OK, result.Total.Failed, result.Total.Errors)
	}
	if len(result.Died()) != 0 {
		t.Errorf("died: %v; want the connections to live on", result.Died())
	}
}

// Another answer than the oldest that is due: the stream is out of step, and what is in flight ends with it.
func TestDroppedAnswersEndTheConnection(t *testing.T) {
	check(t)
	r := startResponder(t, responder.Config{Drop: 100})
	brokers := brokersOf(t, r.Addrs(), "apiversions")
	g := mustNew(t, load.Config{Brokers: brokers, Connections: 4, InFlight: 8})
	result := run(t, g, func(p load.Progress) bool { return p.Died == 4 })
	if result.End != load.EndDied && result.End != load.EndInterrupted {
		t.Errorf("end %q, want that all connections died", result.End)
	}
	if died := result.Died(); died[load.ClassProtocol] != 4 {
		t.Errorf("died: %v; want 4 by the protocol", died)
	}
	if got := result.Total.Errors[load.ClassProtocol]; got != result.Total.Failed || got == 0 {
		t.Errorf("errors: %v; want the protocol alone", result.Total.Errors)
	}
}

func TestABrokerThatDiesLeavesTheOthers(t *testing.T) {
	check(t)
	var responders []*responder.Responder
	var brokers []load.Broker
	for id := range int32(3) {
		r := startResponder(t, responder.Config{})
		b := brokersOf(t, r.Addrs(), "mixed")[0]
		b.ID = id
		responders, brokers = append(responders, r), append(brokers, b)
	}
	g := mustNew(t, load.Config{Brokers: brokers, Connections: 9, InFlight: 2})
	killed, after := false, uint64(0)
	result := run(t, g, func(p load.Progress) bool {
		if p.OK > 200 && !killed {
			killed = true
			responders[1].Close()
		}
		if p.Died == 3 && after == 0 {
			after = p.OK
		}
		return after > 0 && p.OK > after+500
	})
	if result.Clean() {
		t.Error("the load is clean, want failures")
	}
	for _, b := range result.Brokers {
		died := uint64(0)
		for _, n := range b.Died {
			died += n
		}
		if want := b.ID == 1; (died == 3) != want || (b.Failed > 0) != want {
			t.Errorf("broker %d: died %v, failed %v; want it of broker 1 alone", b.ID, b.Died, b.Errors)
		}
	}
}

func TestErrorCodesAreFailures(t *testing.T) {
	check(t)
	fake := startFake(t)
	brokers := brokersOf(t, fake.ListenAddrs(), "produce")
	for p := range int32(30) { // away from where the requests go
		if err := fake.MoveTopicPartition(topic, p, (p+1)%3); err != nil {
			t.Fatal(err)
		}
	}
	g := mustNew(t, load.Config{Brokers: brokers, Connections: 3})
	result := run(t, g, func(p load.Progress) bool { return p.Failed >= 20 })
	if got := result.Total.Errors["kafka:NOT_LEADER_FOR_PARTITION"]; got != result.Total.Sent {
		t.Errorf("%d sent, errors %v; want all of one class", result.Total.Sent, result.Total.Errors)
	}
}

// A connection that lives and takes no request must not be asked without a pause.
func TestRefusedRequestsPause(t *testing.T) {
	check(t)
	r := startResponder(t, responder.Config{})
	brokers := brokersOf(t, r.Addrs(), "apiversions")
	g := mustNew(t, load.Config{
		Brokers: brokers, Connections: 1, Duration: 100 * time.Millisecond,
		Kio: kio.Config{MaxRequestBytes: 10},
	})
	result := run(t, g, nil)
	if failed := result.Total.Failed; failed == 0 || failed > 50 || failed != result.Total.Sent || len(result.Died()) != 0 {
		t.Errorf("sent %d, failed %d, died %v; want some ten refusals on a living connection", result.Total.Sent, failed, result.Died())
	}
}

func TestOpenFailsWhereNobodyListens(t *testing.T) {
	check(t)
	g := mustNew(t, load.Config{Brokers: []load.Broker{{Addr: hostile.Refused(t), Requests: apiVersions(t)}}, Connections: 100})
	err := g.Open(t.Context())
	expect(t, err, "none of 100 connections could be opened")
	r := g.Close()
	if got := r.Unopened()[load.ClassRefused]; got != 100 || r.End != load.EndNotBegun || r.Clean() {
		t.Errorf("unopened %v, end %q, clean %t; want 100 refused, not begun", r.Unopened(), r.End, r.Clean())
	}
}

func TestOpenEndsWithItsContext(t *testing.T) {
	check(t)
	r := startResponder(t, responder.Config{})
	g := mustNew(t, load.Config{Brokers: brokersOf(t, r.Addrs(), "apiversions"), Connections: 10})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := g.Open(ctx); err == nil {
		t.Error("Open succeeded with a context that is over, want its error")
	}
	g.Close()
}

// The broker takes requests and never answers; the requests have more time than the drain.
func TestWhatIsLeftAfterTheDrainIsCutOff(t *testing.T) {
	check(t)
	r := startResponder(t, responder.Config{Delay: time.Hour})
	g := mustNew(t, load.Config{Brokers: []load.Broker{{Addr: r.Addrs()[0], Requests: apiVersions(t)}}, Connections: 5, InFlight: 2, Timeout: time.Hour})
	load.CutDrain(g)
	result := run(t, g, func(load.Progress) bool { return r.Stats().Requests == 5 })
	if result.Total.Unanswered != 5 || result.Total.Sent != 5 || len(result.Died()) != 0 {
		t.Errorf("sent %d, unanswered %d, failed %v, died %v; want 5 unanswered, the first of each connection", result.Total.Sent, result.Total.Unanswered, result.Total.Errors, result.Died())
	}
}

func TestNewRefuses(t *testing.T) {
	one := []load.Broker{{}}
	for _, tt := range []struct {
		cfg  load.Config
		want string
	}{
		{load.Config{}, "Config.Brokers"},
		{load.Config{Brokers: one}, "Config.Connections is 0"},
		{load.Config{Brokers: one, Connections: 1}, "Config.InFlight is 0"},
		{load.Config{Brokers: one, Connections: 1, InFlight: 1, Dials: -1}, "Config.Dials is -1"},
		{load.Config{Brokers: one, Connections: 1, InFlight: 1, Duration: -1}, "Config.Duration is -1ns"},
		{load.Config{Brokers: one, Connections: 1, InFlight: 1}, "Config.Timeout is 0s"},
	} {
		_, err := load.New(tt.cfg)
		expect(t, err, tt.want)
	}
}
