package command

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/internal/embedded"
	"kafkaio/stress/internal/limits"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/report"
	"kafkaio/stress/internal/target"
	"kafkaio/stress/internal/workload"
)

const (
	// reserveDescriptors are those beside connections: dials in progress hold two for a moment, event loops and listeners some. Guessed.
	reserveDescriptors = 200

	// discoverTimeout bounds finding out what the cluster looks like. Guessed: creating a topic takes a slow cluster some seconds.
	discoverTimeout = 30 * time.Second

	redrawInterval = 500 * time.Millisecond // short enough to look alive, long enough to read
	plainInterval  = time.Second
)

// load checks, prepares, runs and reports one load.
func (env *Env) load(ctx context.Context, o *options, mix workload.Mix) error {
	isTerminal, width := terminal(env.Stderr)
	style, err := o.style(isTerminal)
	if err != nil {
		return err
	}
	live := report.NewLive(env.Stderr, style, width)
	ctx, release := env.watch(ctx,
		func() { live.Note("interrupted: no more requests; interrupt again to exit without a report") },
		live.Clear)
	defer release()

	if err := limits.Check(o.demand(0)); err != nil {
		return cannotStart(err)
	}
	seeds, stop, err := o.cluster()
	if err != nil {
		return cannotStart(err)
	}
	defer stop()
	brokers, err := o.prepare(ctx, live, seeds, mix)
	if err != nil {
		return cannotStart(err)
	}
	if err := limits.Check(o.demand(len(brokers))); err != nil {
		return cannotStart(err)
	}
	result, err := o.run(ctx, live, interval(style), brokers)
	if err != nil {
		return cannotStart(err)
	}
	return env.report(o, o.settings(seeds, mix), result, live)
}

// demand is what the load takes of this machine; brokers is 0 where their number is not known yet.
func (o *options) demand(brokers int) limits.Demand {
	own := len(o.brokers) == 0
	if own {
		brokers = o.embedded
	}
	d := limits.Demand{Connections: o.connections, OwnBrokers: own, Reserve: reserveDescriptors}
	if brokers > 0 {
		d.PerBroker = (o.connections + brokers - 1) / brokers
	}
	return d
}

// cluster gives the addresses to begin with, of brokers that it starts where none are named.
func (o *options) cluster() (seeds []string, stop func(), err error) {
	if len(o.brokers) > 0 {
		return o.brokers, func() {}, nil
	}
	c, err := embedded.Start(embedded.Config{
		Brokers: o.embedded, Topic: o.topic, Partitions: target.PartitionsPerBroker * o.embedded,
		Batch: workload.RecordBatch(time.Now(), make([]byte, o.recordBytes)),
	})
	if err != nil {
		return nil, nil, err
	}
	return c.Addrs(), c.Close, nil
}

// prepare looks at the cluster, says what is worth knowing, and encodes the requests.
func (o *options) prepare(ctx context.Context, live *report.Live, seeds []string, mix workload.Mix) ([]load.Broker, error) {
	ctx, cancel := context.WithTimeout(ctx, discoverTimeout)
	defer cancel()
	engine, err := kio.NewEngine(kio.EngineConfig{Loops: 1})
	if err != nil {
		return nil, err
	}
	defer func() { _ = engine.Close() }()                                                    // fails only on a loop's goroutine
	cfg := kio.Config{Engine: engine, Timeout: o.timeout, ClientID: clientID, OpenRaw: true} // versions are asked for once a broker, by target
	c, err := target.Discover(ctx, target.Config{Seeds: seeds, Topic: o.topic, NeedTopic: mix.NeedsTopic(), Kio: cfg})
	if err != nil {
		if cause := context.Cause(ctx); cause != nil {
			err = fmt.Errorf("%w: %w", cause, err)
		}
		return nil, err
	}
	o.introduce(live, c, mix)
	var brokers []load.Broker
	for _, b := range c.Brokers {
		set, err := workload.Build(b.Target, workload.Options{
			Mix: mix, RecordBytes: o.recordBytes, FetchBytes: o.fetchBytes, Timeout: o.timeout, Seed: o.seed, Now: time.Now(),
		})
		if err != nil {
			return nil, fmt.Errorf("broker %d at %s: %w", b.ID, b.Addr, err)
		}
		if set.Mix() != mix {
			live.Note("broker %d leads no partition of the topic: it gets %v only", b.ID, set.Mix())
		}
		brokers = append(brokers, load.Broker{ID: b.ID, Addr: b.Addr, Requests: set})
	}
	return brokers, nil
}

// introduce says what is about to be loaded with what.
func (o *options) introduce(live *report.Live, c *target.Cluster, mix workload.Mix) {
	where := ""
	if len(o.brokers) == 0 {
		where = " in this process (kfake, whose CPU time is in all figures)"
	}
	live.Note("%s%s", report.Count(len(c.Brokers), "broker"), where)
	live.Note("%s, %d in flight each, %v", report.Count(o.connections, "connection"), o.inFlight, mix)
	if c.Created {
		live.Note("created the topic %q with %d partitions; it stays when this ends", o.topic, c.Partitions)
	}
	if c.Leaderless > 0 {
		live.Note("%d of %d partitions of %q have no leader and are left out", c.Leaderless, c.Partitions, o.topic)
	}
}

// run opens, drives and closes a load, and shows it. The error is that nothing was sent.
func (o *options) run(ctx context.Context, live *report.Live, every time.Duration, brokers []load.Broker) (*load.Result, error) {
	g, err := load.New(load.Config{
		Brokers: brokers, Connections: o.connections, InFlight: o.inFlight,
		Duration: o.duration, Timeout: o.timeout, Seed: o.seed,
		Kio: kio.Config{ClientID: clientID},
	})
	if err != nil {
		return nil, err
	}
	var result *load.Result
	showWhile(live, func() string { return report.Line(g.Progress(), o.duration) }, every, func() {
		if err = g.Open(ctx); err == nil {
			g.Drive(ctx)
		}
		result = g.Close()
	})
	return result, err
}

// showWhile shows the progress of work until that returns.
func showWhile(live *report.Live, line func() string, every time.Duration, work func()) {
	done := make(chan struct{})
	var shower sync.WaitGroup
	shower.Add(1)
	go show(live, line, every, done, &shower)
	work()
	close(done)
	shower.Wait()
	live.Clear()
}

// show shows the progress. Who starts it ends it by done and waits for it.
func show(live *report.Live, line func() string, every time.Duration, done <-chan struct{}, shower *sync.WaitGroup) {
	defer shower.Done()
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			live.Show(line())
		case <-done:
			return
		}
	}
}

// report writes the result and gives its exit code.
func (env *Env) report(o *options, s report.Settings, r *load.Result, live *report.Live) error {
	code := exitCode(r.Check(), r.Clean())
	var err error
	if o.json {
		err = report.WriteJSON(env.Stdout, s, r, code)
	} else {
		err = report.WriteTable(env.Stdout, r)
	}
	if err != nil {
		return &exitError{ExitUnreported, fmt.Errorf("cannot write the report: %w", err)}
	}
	for class := range r.Unopened() {
		if strings.HasPrefix(class, load.LocalPrefix) {
			live.Note("%s is a limit of this machine, not of the brokers", class)
		}
	}
	if code != ExitOK {
		return &exitError{code: code}
	}
	return nil
}

// exitCode is that of a run whose law and whose requests came to this.
func exitCode(law error, clean bool) int {
	switch {
	case law != nil:
		return ExitBroken
	case !clean:
		return ExitFailures
	default:
		return ExitOK
	}
}

// clientID is how brokers see us.
const clientID = "kafkaio-stress"

func interval(s report.Style) time.Duration {
	if s == report.Redraw {
		return redrawInterval
	}
	return plainInterval
}
