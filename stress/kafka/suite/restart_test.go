package suite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

const (
	// callLimit is the deadline of each call while a broker restarts, and callSlack what a busy machine may add: guessed, starting a JVM takes all
	// cores for a second.
	callLimit = 3 * time.Second
	callSlack = 2 * time.Second
	// restartLimit is how long a restart may take until records are acknowledged again: longer than package cluster waits for a node.
	restartLimit = 4 * time.Minute
	// enough is how many records are acknowledged before a broker is ended, and after it is back.
	enough = 300
)

// TestARestartUnderLoad ends the broker that all callers talk to, in the way of an operator and in that of a power cut, and starts it again. Every call
// ends within its deadline; what was acknowledged is there once; what is said to be safe to retry never arrived.
func TestARestartUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name  string
		door  door
		delay time.Duration // Config.WakeDelay
		end   func(*cluster.State, context.Context, int32) error
	}{
		{"stop PLAINTEXT", door{cluster.Plaintext, ""}, 0, (*cluster.State).Stop},
		{"kill PLAINTEXT", door{cluster.Plaintext, ""}, 2 * time.Millisecond, (*cluster.State).Kill},
		{"kill SASL_SSL", door{cluster.SASLSSL, cluster.Scram512}, 0, (*cluster.State).Kill},
	} {
		t.Run(c.name, func(t *testing.T) {
			need(t, c.door.listener)
			if !state.Owned() {
				t.Skip("the cluster was not started by make kafka-up: its brokers are not ours to restart")
			}
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				cfg.WakeDelay = c.delay
				l := newLoad(t, c.door, cfg)
				var wg sync.WaitGroup
				for range 16 {
					wg.Go(func() { l.write(t) })
				}
				for range 8 {
					wg.Go(func() { l.ask(t) })
				}
				defer wg.Wait()
				defer l.stop.Store(true)

				eventually(t, "records acknowledged", patience, func() bool { return l.ackedSoFar() >= enough })
				id := l.leaderID(t)
				if err := c.end(state, t.Context(), id); err != nil {
					t.Fatal(err)
				}
				down := time.Now()
				if err := state.Start(t.Context(), id); err != nil {
					t.Fatal(err)
				}
				before := l.ackedSoFar()
				eventually(t, "records acknowledged after the restart", restartLimit, func() bool { return l.ackedSoFar() >= before+enough })
				t.Logf("node %d is back in use after %v", id, time.Since(down).Round(100*time.Millisecond))
				l.stop.Store(true)
				wg.Wait()
				l.check(t)
			})
		})
	}
}

// load is callers on one connection, which is opened anew when it has ended.
type load struct {
	// Immutable.
	door  door
	addrs []string // of all nodes
	cfg   kio.Config
	topic topic.Topic

	stop  atomic.Bool
	next  atomic.Int64 // number of the next record
	asked atomic.Int64 // questions answered

	dialing sync.Mutex // held while a connection is opened

	mu      sync.Mutex  // guards what follows
	broker  *kio.Broker // nil: none
	acked   map[string]bool
	unsent  map[string]bool // said to be safe to retry
	unsure  int             // failed otherwise
	longest time.Duration   // of all calls
}

func newLoad(t *testing.T, d door, cfg kio.Config) *load {
	t.Helper()
	l := &load{door: d, acked: map[string]bool{}, unsent: map[string]bool{}}
	l.topic = newTopic(t, d, cfg, topic.Layout{Replicas: replicas()})
	_, l.cfg = d.enter(t, cfg)
	l.cfg.DialTimeout = callLimit
	for _, n := range state.Nodes {
		l.addrs = append(l.addrs, n.Listeners[d.listener])
	}
	t.Cleanup(func() {
		if l.broker != nil {
			_ = l.broker.Close()
		}
	})
	return l
}

// connection gives the connection to the leader, and opens it if there is none. Any node is asked who that is.
func (l *load) connection(ctx context.Context) (*kio.Broker, error) {
	l.dialing.Lock()
	defer l.dialing.Unlock()
	l.mu.Lock()
	b := l.broker
	l.mu.Unlock()
	if b != nil {
		return b, nil
	}
	var errs []error
	for _, addr := range l.addrs {
		to, err := l.leader(ctx, addr)
		if err == nil {
			b, err = kio.DialBroker(ctx, to, l.cfg)
		}
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.mu.Lock()
		l.broker = b
		l.mu.Unlock()
		return b, nil
	}
	return nil, errors.Join(errs...)
}

// leader asks one node for the address of the leader.
func (l *load) leader(ctx context.Context, addr string) (string, error) {
	b, err := kio.DialBroker(ctx, addr, l.cfg)
	if err != nil {
		return "", err
	}
	defer b.Close()
	leaders, err := l.topic.Leaders(ctx, b)
	if err != nil {
		return "", err
	}
	return leaders[0], nil
}

// leaderID is the node that leads.
func (l *load) leaderID(t *testing.T) int32 {
	t.Helper()
	b, err := l.connection(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range state.Nodes {
		if n.Listeners[l.door.listener] == b.Addr() {
			return n.ID
		}
	}
	t.Fatalf("no node has the address %s", b.Addr())
	return 0
}

// drop gives a connection up, for the next caller to open another: it has ended, or leads to a node that does not lead any more.
func (l *load) drop(b *kio.Broker) {
	l.mu.Lock()
	mine := l.broker == b
	if mine {
		l.broker = nil
	}
	l.mu.Unlock()
	if mine {
		_ = b.Close()
	}
}

// call runs one call of a caller, and once more if the connection ended with it: on what is left of it nothing must be sent. It reports the last error.
func (l *load) call(t *testing.T, f func(context.Context, *kio.Broker) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*callLimit)
	defer cancel()
	b, err := l.connection(ctx)
	if err != nil {
		<-time.After(20 * time.Millisecond) // between two attempts to connect
		return err
	}
	for {
		ended := b.Err() != nil
		err := l.timed(t, b, f)
		var e *kio.Error
		switch {
		case err == nil:
			return nil
		case ended, !errors.As(err, &e): // a broker that refuses is no leader any more
			l.drop(b)
			return err
		case b.Err() == nil: // a connection outlives a call that was too late
			return err
		}
	}
}

// timed runs f and checks how long it takes.
func (l *load) timed(t *testing.T, b *kio.Broker, f func(context.Context, *kio.Broker) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), callLimit)
	defer cancel()
	began := time.Now()
	err := f(ctx, b)
	took := time.Since(began)
	if took > callLimit+callSlack {
		t.Errorf("a call took %v, want at most its deadline of %v: %v", took, callLimit, err)
	}
	l.mu.Lock()
	l.longest = max(l.longest, took)
	l.mu.Unlock()
	return err
}

// write is a caller that appends records, each of its own number, and never the same one again.
func (l *load) write(t *testing.T) {
	for !l.stop.Load() {
		_ = l.call(t, func(ctx context.Context, b *kio.Broker) error { // the error is noted by its kind
			id := fmt.Sprintf("record %d", l.next.Add(1))
			_, err := topic.Produced(b.Request(ctx, l.topic.Produce(0, topic.Batch([]kmsg.Record{{Value: []byte(id)}}))))
			l.note(id, err)
			return err
		})
	}
}

// note keeps what a caller was told of its record.
func (l *load) note(id string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var e *kio.Error
	switch {
	case err == nil:
		l.acked[id] = true
	case errors.As(err, &e) && e.SafeToRetry():
		l.unsent[id] = true
	default: // it may have arrived, or the broker has said why it refuses it
		l.unsure++
	}
}

// ask is a caller that asks for metadata.
func (l *load) ask(t *testing.T) {
	for !l.stop.Load() {
		_ = l.call(t, func(ctx context.Context, b *kio.Broker) error {
			m, err := l.topic.Metadata().RequestWith(ctx, b)
			var e *kio.Error
			switch {
			case err == nil && (len(m.Topics) != 1 || m.Topics[0].Topic == nil || *m.Topics[0].Topic != l.topic.Name):
				t.Errorf("asked for %s, was told of %d topics", l.topic.Name, len(m.Topics))
			case err == nil:
				l.asked.Add(1)
			case !errors.As(err, &e):
				t.Errorf("error %v is a %T, want a *kio.Error", err, err)
			}
			return err
		})
	}
}

func (l *load) ackedSoFar() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.acked)
}

// check compares what callers were told with what the broker has.
func (l *load) check(t *testing.T) {
	t.Helper()
	b, err := l.connection(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, err := l.topic.ReadAll(t.Context(), b, 0)
	if err != nil {
		t.Fatal(err)
	}
	there := make(map[string]bool, len(got))
	for _, f := range got {
		id := string(f.Value)
		if there[id] {
			t.Errorf("%s is there twice, and was sent once", id)
		}
		if l.unsent[id] {
			t.Errorf("%s is there, and was said to be safe to retry", id)
		}
		there[id] = true
	}
	for id := range l.acked {
		if !there[id] {
			t.Errorf("%s was acknowledged and is not there", id)
		}
	}
	if l.unsure == 0 || len(l.unsent) == 0 {
		t.Errorf("%d calls failed in flight and %d unsent, want some of each: the restart met no load", l.unsure, len(l.unsent))
	}
	t.Logf("%d records acknowledged, %d unsent, %d unsure; %d records are there; %d questions answered; the longest call took %v",
		len(l.acked), len(l.unsent), l.unsure, len(got), l.asked.Load(), l.longest.Round(time.Millisecond))
}
