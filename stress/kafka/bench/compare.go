package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/yardstick"
	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

// startUp is what a child needs beside its window: to start and to open its connections.
const startUp = 200 * time.Millisecond

// errTargets ends a -check run that failed.
var errTargets = errors.New("a target was not reached")

// compare is a run: all rounds, then the table and the targets.
func compare(ctx context.Context, o options, out, progress io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s, err := cluster.Find(ctx, o.dir)
	if err != nil {
		return err
	}
	o.listeners = slices.DeleteFunc(o.listeners, func(l string) bool { _, ok := s.Addr(l); return !ok })
	all := rows(o.listeners, o.apis, o.shapes)
	if len(all) == 0 {
		return errors.New("the cluster has none of the listeners")
	}
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(progress, format+"\n", args...) }
	program, remove, err := buildYardstick(ctx, o.peers)
	defer remove()
	if errors.Is(err, yardstick.ErrNoCompiler) {
		say("without the C yardsticks: %v", err)
		o.peers = slices.DeleteFunc(slices.Clone(o.peers), isYardstick)
	} else if err != nil {
		return err
	}
	g, err := setUp(ctx, s, o.listeners)
	if err != nil {
		return err
	}
	defer g.tearDown()
	turns := cells(all, o.peers)
	if len(turns) == 0 {
		return errors.New("none of the peers can do any of the rows")
	}
	n := len(turns) * o.rounds
	say("%d measurements, about %v", n, (time.Duration(n) * (o.warmUp + o.length + startUp)).Round(time.Second))
	t := table{rows: all, peers: o.peers, results: map[cell][]result{}, failed: map[cell]string{}}
	for round := range o.rounds {
		for _, c := range turns {
			if ctx.Err() != nil {
				return errors.New("interrupted")
			}
			order := g.order(c, o)
			order.Yardstick = program
			if o.profiles != "" {
				order.Profile = filepath.Join(o.profiles, strings.NewReplacer(" ", "-", "/", "-").Replace(c.String())+".pprof")
			}
			got := inChild(ctx, self, order, o.procs)
			t.add(c, got)
			if got.Error != "" {
				say("%d/%d %v: %s", round+1, o.rounds, c, got.Error)
			} else {
				say("%d/%d %v: %.1f µs, %.1f k/s", round+1, o.rounds, c, cpuMicros(got), rate(got))
			}
		}
	}
	if err := t.write(out, o.markdown, heading(s, o)); err != nil {
		return err
	}
	if missed := t.missed(); o.check && missed > 0 {
		return errTargets
	}
	return nil
}

func heading(s *cluster.State, o options) string {
	version := s.Version
	if version == "" {
		version = "of unknown version"
	}
	return fmt.Sprintf("client CPU a request against Apache Kafka %s, %d node(s), %d CPUs, %s: medians of %d rounds of %v", version, len(s.Nodes), runtime.NumCPU(), runtime.Version(), o.rounds, o.length)
}

// ground is what the rows stand on: a topic with one record on one node.
type ground struct {
	state *cluster.State
	topic topic.Topic
	addrs map[string]string // of that node, by listener
	admin *kgo.Client
}

// setUp makes it, by franz-go: this is not the place to find out that our own client cannot.
func setUp(ctx context.Context, s *cluster.State, listeners []string) (*ground, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	g := &ground{state: s, addrs: map[string]string{}}
	var err error
	if g.admin, err = g.client(cluster.Plaintext); err != nil {
		return nil, err
	}
	r := kmsg.NewPtrMetadataRequest()
	r.Topics = []kmsg.MetadataRequestTopic{}
	m, err := r.RequestWith(ctx, g.admin)
	if err != nil {
		return nil, err
	}
	if len(m.Brokers) == 0 {
		return nil, errors.New("a cluster without brokers")
	}
	if g.topic, err = topic.Create(ctx, g.admin, fmt.Sprintf("bench-%d", time.Now().UnixNano()), topic.Layout{Node: m.Brokers[0].NodeID}); err != nil {
		return nil, err
	}
	// Over a connection to the leader: a client that routes would do it by itself, a seed broker does not.
	for _, listener := range listeners {
		cl, err := g.client(listener)
		if err != nil {
			return nil, err
		}
		leaders, err := g.topic.Leaders(ctx, cl)
		cl.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", listener, err)
		}
		g.addrs[listener] = leaders[0]
	}
	_, err = topic.Produced(g.admin.Request(ctx, g.topic.Produce(0, topic.Batch([]kmsg.Record{record}))))
	return g, err
}

// client is franz-go on the first node's listener.
func (g *ground) client(listener string) (*kgo.Client, error) {
	addr, _ := g.state.Addr(listener)
	g.addrs[listener] = addr
	j, err := g.order(cell{row: row{listener: listener}}, options{}).job()
	if err != nil {
		return nil, err
	}
	return kgo.NewClient(kgoOptions(j)...)
}

// order is what a child is told to do for a cell.
func (g *ground) order(c cell, o options) order {
	a := order{
		Listener: c.listener, API: c.api, Conns: c.shape.conns, Callers: c.shape.callers, Peer: c.peer, Addr: g.addrs[c.listener],
		Topic: g.topic, Certs: g.state.Certs, WarmUp: o.warmUp, Length: o.length,
	}
	if c.listener == cluster.SASLSSL {
		a.User = g.state.Users[mechanism]
	}
	return a
}

func (g *ground) tearDown() {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_ = g.topic.Delete(ctx, g.admin) // the cluster is one for tests
	g.admin.Close()
}
