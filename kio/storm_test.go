//go:build linux

// The storms need 127.0.0.0/8 to be addresses of this machine, as they are on Linux.

package kio_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"kafkaio/kio"
)

// What a storm is made of.
const (
	stormCallers    = 64
	stormDeadline   = 500 * time.Millisecond // of each call
	stormAllowance  = 3 * time.Second        // beyond it, for a machine with other things to do (guessed)
	stormMaxDials   = 32
	stormDialRate   = 2000.0 // a second
	stormBackoff    = 20 * time.Millisecond
	stormMaxBackoff = time.Second
	stormTokens     = 1 << 19                // requests at most
	stormAttempt    = 200 * time.Millisecond // an attempt to connect, on a machine with other things to do (guessed: a hundred times what it takes)
	stormHeap       = 16 << 20               // what may be in use more after a storm than before (guessed)
)

// mood is how a stormBroker takes its connections.
type mood int32

const (
	answering mood = iota
	silent         // accepts, and never says anything
	refusing       // refuses every password
)

// stormBroker is one of very many brokers, by the standard library alone: a listener with an address of its own, so that a dead one really refuses. It answers FindCoordinator with
// the key that it was asked for, and with its own number, so that an answer to another request is found out.
type stormBroker struct {
	// Immutable.
	storm  *stormCluster
	number int32
	addr   string

	mood       atomic.Int32
	handshakes atomic.Int64

	mu    sync.Mutex
	ln    net.Listener // nil while it is dead
	conns map[*net.TCPConn]struct{}
}

// start makes a dead broker listen.
func (b *stormBroker) start(m mood) error {
	ln, err := net.Listen("tcp4", b.addr)
	if err != nil {
		return err
	}
	b.mood.Store(int32(m))
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ln, b.conns = ln, make(map[*net.TCPConn]struct{})
	b.storm.serving.Go(func() { b.accept(ln) })
	return nil
}

// kill ends listener and connections: these with a FIN for one half of the brokers, and with a reset for the other.
func (b *stormBroker) kill() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ln == nil {
		return
	}
	_ = b.ln.Close()
	for c := range b.conns {
		if b.number%2 == 0 {
			_ = c.SetLinger(0)
		}
		_ = c.Close()
	}
	b.ln, b.conns = nil, nil
}

// accept ends with its listener; the storm waits for it.
func (b *stormBroker) accept(ln net.Listener) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		b.mu.Lock()
		if b.ln != ln {
			b.mu.Unlock()
			_ = c.Close()
			return
		}
		conn := c.(*net.TCPConn)
		b.conns[conn] = struct{}{}
		b.mu.Unlock()
		b.storm.serving.Go(func() { b.serve(conn) })
	}
}

// serve ends with its connection; the storm waits for it.
func (b *stormBroker) serve(c *net.TCPConn) {
	r := bufio.NewReaderSize(c, 512)
	if mood(b.mood.Load()) == silent {
		_, _ = io.Copy(io.Discard, r)
	}
	for {
		answer, end := b.answer(r)
		if answer == nil {
			break
		}
		if _, err := c.Write(answer); err != nil || end {
			break
		}
	}
	_ = c.Close()
	b.mu.Lock()
	delete(b.conns, c)
	b.mu.Unlock()
}

// stormVersions are the APIs of a stormBroker, none of them in a flexible version but ApiVersions.
var stormVersions = [][3]uint16{{10, 0, 2}, {17, 1, 1}, {18, 0, 4}, {36, 1, 1}}

// answer reads a request and gives the answer with its size, nil where there is none, and whether the connection ends with it.
func (b *stormBroker) answer(r *bufio.Reader) (answer []byte, end bool) {
	var size [4]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, true
	}
	request := make([]byte, min(binary.BigEndian.Uint32(size[:]), 4096))
	if _, err := io.ReadFull(r, request); err != nil || len(request) < 10 {
		return nil, true
	}
	key, id := binary.BigEndian.Uint16(request), request[4:8]
	body := request[10+binary.BigEndian.Uint16(request[8:]):] // behind the client id
	answer = append(make([]byte, 4, 128), id...)
	be := binary.BigEndian
	switch key {
	case 18: // ApiVersions, version 3 or 4
		answer = append(be.AppendUint16(answer, 0), byte(len(stormVersions)+1))
		for _, v := range stormVersions {
			answer = append(be.AppendUint16(be.AppendUint16(be.AppendUint16(answer, v[0]), v[1]), v[2]), 0)
		}
		answer = append(be.AppendUint32(answer, 0), 0)
	case 17: // SaslHandshake
		b.handshakes.Add(1)
		answer = appendText(be.AppendUint32(be.AppendUint16(answer, 0), 1), "PLAIN")
	case 36: // SaslAuthenticate
		code := uint16(0)
		if end = mood(b.mood.Load()) == refusing; end {
			code = authenticationFailed
		}
		answer = be.AppendUint64(be.AppendUint32(appendText(be.AppendUint16(answer, code), "no"), 0), 0)
	case 10: // FindCoordinator
		token := string(body[2 : 2+be.Uint16(body)])
		n, err := strconv.ParseUint(token, 10, 32)
		if err != nil || n >= stormTokens {
			return nil, true
		}
		b.storm.seen[n].Add(1)
		answer = be.AppendUint16(be.AppendUint16(be.AppendUint32(answer, 0), 0), 0xffff)
		answer = be.AppendUint32(appendText(be.AppendUint32(answer, uint32(b.number)), token), 9092)
	default:
		return nil, true
	}
	be.PutUint32(answer, uint32(len(answer)-4))
	return answer, end
}

func appendText(b []byte, text string) []byte {
	return append(binary.BigEndian.AppendUint16(b, uint16(len(text))), text...)
}

// outcome is how the call with a token has ended.
type outcome uint8

const (
	pending outcome = iota
	answered
	safe   // failed, and no broker can have seen it
	unsafe // failed, and one may have
)

// stormCluster is a Cluster of very many brokers under load, whose brokers are killed and restarted at once.
type stormCluster struct {
	t       *testing.T
	engine  *kio.Engine
	dialFor time.Duration
	brokers []*stormBroker
	cluster *kio.Cluster
	serving sync.WaitGroup

	over     chan struct{} // closed to end the callers
	once     sync.Once
	calling  sync.WaitGroup
	token    atomic.Uint32
	seen     []atomic.Uint32 // by token: how many brokers have read it, or how often
	outcomes []outcome       // by token; each written by the caller that has it
	ok       atomic.Int64

	mu       sync.Mutex
	kinds    map[string]int // of errors
	worst    time.Duration  // of all calls
	worstEnd error          // of that one
	lag      time.Duration  // the most by which a goroutine that had nothing to do but wait was late
	wrong    []string       // what must not be

	dialling, mostDialling atomic.Int32
	dialled                []time.Time // guarded by mu
}

// newStorm starts the brokers, opens the Cluster and waits until it has connected to all.
func newStorm(t *testing.T, driver kio.Driver, maxDials int, set func(s *stormCluster, cfg *kio.Config)) *stormCluster {
	t.Helper()
	nodes := stormNodes
	if testing.Short() {
		nodes = min(nodes, 200)
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if most := int(min(files.Cur, 1<<20)) / 5; nodes > most { // three each, and a fourth that is about to end
		t.Logf("%d brokers instead of %d: no more than %d files may be open", most, nodes, files.Cur)
		nodes = most
	}
	cfg := configOn(t, driver)
	engine, err := kio.NewEngine(kio.EngineConfig{Driver: driver, Loops: 1, MaxDials: maxDials, DialRate: stormDialRate})
	if err != nil {
		t.Fatal(err)
	}
	s := &stormCluster{
		t: t, engine: engine, over: make(chan struct{}), kinds: make(map[string]int),
		seen: make([]atomic.Uint32, stormTokens), outcomes: make([]outcome, stormTokens),
	}
	t.Cleanup(func() {
		for _, b := range s.brokers {
			b.kill()
		}
		s.serving.Wait()
		if n := engine.Conns(); n != 0 {
			t.Errorf("%d connections are open at the end of the test, want 0", n)
		}
		if err := engine.Close(); err != nil {
			t.Error(err)
		}
	})
	s.listen(nodes)
	cfg.Engine, cfg.DialTimeout = engine, patience
	cfg.Cluster.Standalone, cfg.Cluster.HoldOpen = true, 1
	cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = stormBackoff, stormMaxBackoff
	if set != nil {
		set(s, &cfg)
	}
	s.dialFor = cfg.DialTimeout
	var addrs []string
	for _, b := range s.brokers {
		addrs = append(addrs, b.addr)
	}
	s.cluster = mustOpenCluster(t, addrs, cfg)
	t.Cleanup(s.hush)
	s.within("all are connected at first", s.bound(nodes, 0), func(stats *kio.ClusterStats) bool { return stats.Connected == nodes })
	return s
}

// listen starts brokers on one port of many addresses.
func (s *stormCluster) listen(nodes int) {
	s.t.Helper()
	for range 10 {
		probe, err := net.Listen("tcp4", "127.0.1.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		port := strconv.Itoa(probe.Addr().(*net.TCPAddr).Port)
		_ = probe.Close()
		for i := range nodes {
			b := &stormBroker{storm: s, number: int32(i), addr: net.JoinHostPort(net.IPv4(127, 0, byte(1+i/250), byte(1+i%250)).String(), port)}
			if err = b.start(answering); err != nil {
				break
			}
			s.brokers = append(s.brokers, b)
		}
		if err == nil {
			return
		}
		for _, b := range s.brokers {
			b.kill()
		}
		s.brokers = nil
	}
	s.t.Fatal("no port that is free at all addresses")
}

// bound is after how long so many nodes must be connected, from when their brokers can be: each waits out its own back-off and rate; then all may stand behind all others in the
// gate, which lets so many begin in a second and so many be under way; and silent ones keep all places for a whole Config.DialTimeout, once: after that they are known, and have an
// eighth.
func (s *stormCluster) bound(nodes, silent int) time.Duration {
	own := stormMaxBackoff + time.Duration(float64(time.Second)/kio.DefaultNodeDialRate)
	rate := time.Duration(float64(nodes+silent) / stormDialRate * float64(time.Second))
	places := (time.Duration(nodes)*stormAttempt + time.Duration(silent)*s.dialFor) / (stormMaxDials * 7 / 8)
	return own + rate + places
}

// within waits for a state of the Cluster, no longer than bound, and gives the time that it took.
func (s *stormCluster) within(what string, bound time.Duration, reached func(*kio.ClusterStats) bool) time.Duration {
	s.t.Helper()
	began := time.Now()
	for {
		stats := s.cluster.Stats()
		took := time.Since(began)
		if reached(&stats) {
			return took
		}
		if took > bound {
			s.t.Fatalf("%s: not so after %v, with %d of %d nodes connected, %+v", what, bound, stats.Connected, len(stats.Nodes), s.engine.DialStats())
		}
		<-time.After(10 * time.Millisecond) // between two looks; never taken for a state
	}
}

// call starts the load.
func (s *stormCluster) call() {
	s.calling.Go(s.watchLag)
	for range stormCallers {
		s.calling.Go(func() { // until over is closed; hush waits for it
			pace := time.NewTicker(10 * time.Millisecond)
			defer pace.Stop()
			for {
				token := s.token.Add(1)
				if token >= stormTokens {
					return
				}
				s.one(token)
				select {
				case <-pace.C:
				case <-s.over:
					return
				}
			}
		})
	}
}

// watchLag measures how late this machine is. call starts it, hush ends it and waits for it.
func (s *stormCluster) watchLag() {
	const tick = 5 * time.Millisecond
	for {
		began := time.Now()
		select {
		case <-time.After(tick):
			s.mu.Lock()
			s.lag = max(s.lag, time.Since(began)-tick)
			s.mu.Unlock()
		case <-s.over:
			return
		}
	}
}

// hush ends the load, if it has not ended.
func (s *stormCluster) hush() {
	s.once.Do(func() { close(s.over) })
	s.calling.Wait()
}

// one asks a node, and looks at what comes of it.
func (s *stormCluster) one(token uint32) {
	node := rand.Int32N(int32(len(s.brokers)))
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.CoordinatorKey = strconv.FormatUint(uint64(token), 10)
	ctx, cancel := context.WithTimeout(context.Background(), stormDeadline)
	defer cancel()
	began := time.Now()
	answer, err := r.RequestWith(ctx, s.cluster.To(node))
	took := time.Since(began)

	kind, end := "", answered
	var e *kio.Error
	switch {
	case err == nil && (answer.Host != r.CoordinatorKey || answer.NodeID != node):
		s.blame("token %d of node %d has the answer to %s by %d", token, node, answer.Host, answer.NodeID)
	case err == nil:
		s.ok.Add(1)
	case !errors.As(err, &e):
		s.blame("error %v is no *kio.Error", err)
		kind, end = "other", unsafe
	default:
		kind, end = kindOf(e)
	}
	s.outcomes[token] = end
	s.mu.Lock()
	defer s.mu.Unlock()
	if took > s.worst {
		s.worst, s.worstEnd = took, err
	}
	if kind != "" {
		s.kinds[kind]++
	}
}

// kindOf says what an error was about, and whether it says that no broker has seen the request.
func kindOf(e *kio.Error) (string, outcome) {
	var (
		auth *kio.AuthError
		not  *kio.NotConnectedError
	)
	what, end := "", unsafe
	switch {
	case errors.As(e, &auth):
		what = "refused by SASL"
	case errors.As(e, &not) && e.Timeout():
		what = "not connected in time"
	case errors.As(e, &not):
		what = "not connected"
	case e.Timeout():
		what = "timeout"
	default:
		what = e.Code.String()
	}
	if e.SafeToRetry() {
		return what + ", safe", safe
	}
	return what + ", maybe sent", end
}

// blame notes what must not be.
func (s *stormCluster) blame(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wrong) < 20 {
		s.wrong = append(s.wrong, fmt.Sprintf(format, args...))
	}
}

// killAll kills all brokers, and waits until their nodes have failed to connect at least twice each.
func (s *stormCluster) killAll() {
	s.t.Helper()
	for _, b := range s.brokers {
		b.kill()
	}
	n := len(s.brokers)
	s.within("all are known to be down", 2*s.bound(n, 0), func(stats *kio.ClusterStats) bool {
		return stats.Connected == 0 && !slices.ContainsFunc(stats.Nodes, func(n kio.NodeStats) bool { return n.Failures < 2 })
	})
}

// restart starts brokers again, and fails the test where one cannot.
func (s *stormCluster) restart(brokers []*stormBroker, m func(i int) mood) {
	s.t.Helper()
	for i, b := range brokers {
		if err := b.start(m(i)); err != nil {
			s.t.Fatal(err)
		}
	}
}

// heap is how much memory is in use.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// verdict checks what was noted, and tells the figures.
func (s *stormCluster) verdict(back time.Duration) {
	s.t.Helper()
	twice, lied, lost := 0, 0, 0
	for token := range s.outcomes {
		seen := s.seen[token].Load()
		switch end := s.outcomes[token]; {
		case seen > 1:
			twice++
		case end == safe && seen > 0:
			lied++
		case end == answered && seen == 0:
			lost++
		}
	}
	if twice+lied+lost > 0 {
		s.t.Errorf("%d requests reached brokers twice, %d after an error that says that they cannot, %d were answered without", twice, lied, lost)
	}
	gate, stats := s.engine.DialStats(), s.cluster.Stats()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.wrong {
		s.t.Error(w)
	}
	if limit := stormDeadline + stormAllowance + 5*s.lag; s.worst > limit {
		s.t.Errorf("a call took %v, want at most %v: %v", s.worst, limit, s.worstEnd)
	}
	var kinds []string
	for _, k := range slices.Sorted(maps.Keys(s.kinds)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", s.kinds[k], k))
	}
	s.t.Logf("%d brokers: back after %v; %d calls, %d answered, longest %v (lag %v); errors: %s; %d dials, at most %d at a time, %d failed, %d connections ended, %d requests tried again",
		len(s.brokers), back.Round(time.Millisecond), s.token.Load(), s.ok.Load(), s.worst.Round(time.Millisecond), s.lag.Round(time.Millisecond), strings.Join(kinds, ", "),
		gate.Started, gate.MaxRunning, stats.DialErrors, stats.Disconnects, stats.Resent)
}

// countDials makes the Config's dialer one that counts.
func countDials(s *stormCluster, cfg *kio.Config) {
	cfg.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
		n := s.dialling.Add(1)
		defer s.dialling.Add(-1)
		for most := s.mostDialling.Load(); n > most && !s.mostDialling.CompareAndSwap(most, n); most = s.mostDialling.Load() {
		}
		s.mu.Lock()
		s.dialled = append(s.dialled, time.Now())
		s.mu.Unlock()
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
}

// checkGate checks what the dialer has counted.
func (s *stormCluster) checkGate(maxDials int) {
	s.t.Helper()
	if n := s.mostDialling.Load(); n > int32(maxDials) {
		s.t.Errorf("%d dials at a time, want at most %d", n, maxDials)
	}
	if gate := s.engine.DialStats(); gate.MaxRunning > maxDials {
		s.t.Errorf("%d attempts at a time, want at most %d", gate.MaxRunning, maxDials)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.dialled, time.Time.Compare)
	first := 0
	for i, at := range s.dialled {
		for at.Sub(s.dialled[first]) >= time.Second {
			first++
		}
		// Those whose goroutines are late come together with the next ones: all places at most. As many may run ahead.
		if n := i - first + 1; n > int(stormDialRate)+2*maxDials {
			s.t.Fatalf("%d dials within a second, want at most %v", n, stormDialRate)
		}
	}
}

func TestAThousandBrokersKilledAndRestartedAtOnce(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := newStorm(t, cfg.Engine.Driver(), stormMaxDials, countDials)
		s.call()
		eventually(t, "calls are answered", func() bool { return s.ok.Load() > 300 })
		before := heap()
		s.killAll()
		s.restart(s.brokers, func(int) mood { return answering })
		nodes := len(s.brokers)
		back := s.within("all are back", s.bound(nodes, 0), func(stats *kio.ClusterStats) bool { return stats.Connected == nodes })
		ok := s.ok.Load()
		eventually(t, "calls are answered again", func() bool { return s.ok.Load() > ok+300 })
		if more := heap() - before; more > stormHeap {
			t.Errorf("%d bytes more in use than before", more)
		}
		s.hush()
		s.checkGate(stormMaxDials)
		s.verdict(back)
	})
}

func TestHalfOfAThousandBrokersComeBackSilent(t *testing.T) {
	s := newStorm(t, kio.DriverAuto, stormMaxDials, func(_ *stormCluster, cfg *kio.Config) { cfg.DialTimeout = 400 * time.Millisecond })
	s.call()
	s.killAll()
	nodes := len(s.brokers)
	isSilent := func(i int) bool { return i%2 == 1 }
	atRestart := s.cluster.Stats()
	s.restart(s.brokers, func(i int) mood {
		if isSilent(i) {
			return silent
		}
		return answering
	})
	back := s.within("the others are back", s.bound(nodes/2, nodes/2), func(stats *kio.ClusterStats) bool { return stats.Connected == nodes/2 })
	s.within("all silent ones are known", 2*s.bound(nodes/2, nodes/2), func(stats *kio.ClusterStats) bool {
		for i := range stats.Nodes {
			if isSilent(i) && stats.Nodes[i].DialErrors == atRestart.Nodes[i].DialErrors {
				return false
			}
		}
		return true
	})

	// From here on the silent ones are behind all others: some more that restart do not feel them.
	var some []*stormBroker
	for _, b := range s.brokers[:nodes/10] {
		if !isSilent(int(b.number)) {
			some = append(some, b)
			b.kill()
		}
	}
	s.within("these are known to be down", s.bound(len(some), 0), func(stats *kio.ClusterStats) bool {
		return !slices.ContainsFunc(some, func(b *stormBroker) bool { return stats.Nodes[b.number].Failures == 0 })
	})
	s.restart(some, func(int) mood { return answering })
	again := s.within("these are back", s.bound(len(some), 0), func(stats *kio.ClusterStats) bool { return stats.Connected == nodes/2 })
	s.hush()
	s.checkGate(stormMaxDials)
	s.verdict(back)
	t.Logf("%d that restarted among the silent ones were back after %v", len(some), again.Round(time.Millisecond))
}

func TestAThirdOfAThousandBrokersComeBackRefusing(t *testing.T) {
	s := newStorm(t, kio.DriverAuto, stormMaxDials, func(_ *stormCluster, cfg *kio.Config) {
		cfg.AllowPlaintextSASL = true
		cfg.SASL = []sasl.Mechanism{plain.Auth{User: "alice", Pass: "wonderland"}.AsMechanism()}
	})
	s.call()
	s.killAll()
	nodes := len(s.brokers)
	var refused []*stormBroker
	for _, b := range s.brokers {
		b.handshakes.Store(0)
	}
	began := time.Now()
	s.restart(s.brokers, func(i int) mood {
		if i%3 == 0 {
			refused = append(refused, s.brokers[i])
			return refusing
		}
		return answering
	})
	back := s.within("the others are back", s.bound(nodes, 0), func(stats *kio.ClusterStats) bool { return stats.Connected == nodes-len(refused) })
	tried := func() (least, all int64) {
		least = 1 << 62
		for _, b := range refused {
			n := b.handshakes.Load()
			least, all = min(least, n), all+n
		}
		return least, all
	}
	s.within("each has refused twice", 2*s.bound(nodes, 0)+2*stormMaxBackoff, func(*kio.ClusterStats) bool { least, _ := tried(); return least >= 2 })
	s.hush()
	took := time.Since(began)
	_, all := tried()
	// Half of MaxBackoff on average between two attempts, when it has grown to that, which takes six. Twice as many are luck out of all proportion with so many brokers.
	expected := float64(len(refused)) * (6 + 2*took.Seconds()/stormMaxBackoff.Seconds())
	if float64(all) > 2*expected {
		t.Errorf("%d handshakes with %d brokers that refuse, within %v, want about %.0f", all, len(refused), took, expected)
	}
	s.checkGate(stormMaxDials)
	s.verdict(back)
	t.Logf("%d handshakes with %d brokers that refuse, within %v", all, len(refused), took.Round(time.Millisecond))
}
