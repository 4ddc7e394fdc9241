package suite_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/internal/leak"
	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
)

// Where the cluster is, if KAFKA_BROKERS and KAFKA_STATE do not say: in the folder that cmd/kafka uses.
const runFolder = "../.run"

// patience bounds what ought to happen at once. Guessed: more than a busy machine needs, and spent only by tests that fail.
const patience = 20 * time.Second

var (
	// state is the cluster under test; nil: there is none. Tests that restart nodes write the process ids in it.
	state *cluster.State
	// noCluster says why there is none.
	noCluster error
)

func TestMain(m *testing.M) {
	state, noCluster = cluster.Find(context.Background(), runFolder)
	if noCluster != nil {
		fmt.Fprintln(os.Stderr, "suite: every test is skipped:", noCluster)
		if os.Getenv("KAFKA_REQUIRED") != "" {
			os.Exit(1)
		}
	}
	// Tests that run side by side wait for a clock: by default no more of them would than there are cores.
	flag.Parse()
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	leak.Main(m)
}

// door is a way into the cluster: a listener, and a mechanism where it wants one.
type door struct{ listener, mechanism string }

// The doors, and those that tests with much to do choose among them.
var (
	doors = []door{
		{cluster.Plaintext, ""},
		{cluster.SSL, ""},
		{cluster.SASLSSL, cluster.Plain},
		{cluster.SASLSSL, cluster.Scram256},
		{cluster.SASLSSL, cluster.Scram512},
		{cluster.SASLSSL, cluster.OAuthBearer},
		{cluster.SASLPlaintext, cluster.Plain},
		{cluster.SASLPlaintext, cluster.Scram512},
	}
	mainDoors = []door{{cluster.Plaintext, ""}, {cluster.SSL, ""}, {cluster.SASLSSL, cluster.Scram512}}
)

func (d door) String() string {
	if d.mechanism == "" {
		return d.listener
	}
	return d.listener + "-" + d.mechanism
}

// need skips a test that wants a listener which the cluster does not have, and gives the address of the first node's.
func need(t *testing.T, listener string) string {
	t.Helper()
	if state == nil {
		t.Skip(noCluster)
	}
	addr, ok := state.Addr(listener)
	if !ok {
		t.Skipf("the cluster has no listener %s: KAFKA_BROKERS names PLAINTEXT only; KAFKA_STATE can describe the others", listener)
	}
	return addr
}

// enter is need, and completes a configuration for the door.
func (d door) enter(t *testing.T, cfg kio.Config) (string, kio.Config) {
	t.Helper()
	addr := need(t, d.listener)
	var err error
	if cfg.TLS, err = state.TLS(d.listener); err != nil {
		t.Fatal(err)
	}
	if d.mechanism != "" {
		if _, ok := state.Users[d.mechanism]; !ok {
			t.Skipf("the state has no user for %s", d.mechanism)
		}
		m, err := state.Mechanism(d.mechanism)
		if err != nil {
			t.Fatal(err)
		}
		cfg.SASL = []sasl.Mechanism{m}
		cfg.AllowPlaintextSASL = d.listener == cluster.SASLPlaintext
	}
	return addr, cfg
}

// dial enters by the door, and leaves at the end of the test.
func (d door) dial(t *testing.T, cfg kio.Config) *kio.Broker {
	t.Helper()
	addr, cfg := d.enter(t, cfg)
	return mustDial(t, addr, cfg)
}

func mustDial(t *testing.T, addr string, cfg kio.Config) *kio.Broker {
	t.Helper()
	b, err := kio.DialBroker(t.Context(), addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// onEachDriver runs a test on every driver that the platform has, with an engine of the test's own.
func onEachDriver(t *testing.T, test func(t *testing.T, cfg kio.Config)) {
	t.Helper()
	for _, d := range []kio.Driver{kio.DriverGnet, kio.DriverEpoll} {
		t.Run(d.String(), func(t *testing.T) { test(t, configOn(t, d)) })
	}
}

func configOn(t *testing.T, d kio.Driver) kio.Config {
	t.Helper()
	e, err := kio.NewEngine(kio.EngineConfig{Driver: d})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
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
	return kio.Config{Engine: e, Timeout: patience, Debug: &kio.Debug{}}
}

// throughDoors runs a test through each door on every driver.
func throughDoors(t *testing.T, through []door, test func(t *testing.T, d door, cfg kio.Config)) {
	t.Helper()
	for _, d := range through {
		t.Run(d.String(), func(t *testing.T) {
			need(t, d.listener)
			onEachDriver(t, func(t *testing.T, cfg kio.Config) { test(t, d, cfg) })
		})
	}
}

// asError is the *kio.Error that every error ought to be.
func asError(t *testing.T, err error) *kio.Error {
	t.Helper()
	var e *kio.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is a %T, want a *kio.Error", err, err)
	}
	return e
}

// eventually polls until a state is reached, and fails the test when it is not.
func eventually(t *testing.T, what string, limit time.Duration, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !reached(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %v", what, limit)
		}
		<-time.After(10 * time.Millisecond) // between two looks; never taken for a state
	}
}
