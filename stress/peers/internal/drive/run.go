package drive

import (
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// drainLimit is how long callers may take to end after the window.
const drainLimit = 30 * time.Second

// Run opens a client, does the work with it and returns what was measured.
func Run(ctx context.Context, open peer.Opener, e peer.Env, d work.Durations) (work.Result, error) {
	if e.Work.Idle {
		return idle(ctx, open, e)
	}
	if e.Work.Setup {
		return setup(ctx, open, e)
	}
	c, err := open(ctx, e)
	if err != nil {
		return work.Result{}, fmt.Errorf("open: %w", err)
	}
	var w *window
	var end *sync.WaitGroup
	switch {
	case len(c.Pumps) > 0:
		w = newWindow(len(c.Pumps))
		end = startPumps(w, c.Pumps)
	case len(c.Callers) > 0:
		w = newWindow(len(c.Callers))
		end = startCallers(w, c.Callers)
	default:
		return work.Result{}, fmt.Errorf("the client has no callers: %w", peer.ErrUnavailable)
	}
	r := w.measure(d)
	r.Conns = e.Work.Conns
	drained := make(chan struct{})
	go func() { end.Wait(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(drainLimit):
		r.Error = fmt.Sprintf("requests still unanswered %v after the end", drainLimit)
	}
	runtime.KeepAlive(c)
	return r, nil
}

// startCallers starts a goroutine a caller.
func startCallers(w *window, callers []func() error) *sync.WaitGroup {
	var wg sync.WaitGroup
	for i, call := range callers {
		wg.Go(func() { w.loop(i, call) })
	}
	return &wg
}

// loop is one caller. startCallers starts it, the phase ends it, Run waits
// for it.
func (w *window) loop(caller int, call func() error) {
	count := &w.counts[caller].n
	skip := uint32(caller) % w.every
	for w.phase.Load() != stopping {
		timed := skip == 0
		var begin time.Time
		if timed {
			begin = time.Now()
			skip = w.every
		}
		skip--
		if err := call(); err != nil {
			w.fail(err)
			return
		}
		count.Store(count.Load() + 1) // only this goroutine writes it
		if timed {
			w.record(caller, time.Since(begin))
		}
	}
}

// startPumps sends the first request of each pump; the callbacks send the
// others.
func startPumps(w *window, pumps []peer.Pump) *sync.WaitGroup {
	var wg sync.WaitGroup
	wg.Add(len(pumps))
	for i, p := range pumps {
		a := &async{w: w, caller: i, skip: uint32(i) % w.every, end: wg.Done}
		a.send = p(a.done)
		a.next()
	}
	return &wg
}

// async is one asynchronous caller. After next, only its callback touches it.
type async struct {
	w      *window
	caller int
	send   func() error
	end    func()
	skip   uint32
	timed  bool
	begin  time.Time
}

// next sends a request, or ends the caller.
func (a *async) next() {
	if a.w.phase.Load() == stopping {
		a.end()
		return
	}
	if a.timed = a.skip == 0; a.timed {
		a.begin = time.Now()
		a.skip = a.w.every
	}
	a.skip--
	if err := a.send(); err != nil {
		a.w.fail(err)
		a.end()
	}
}

// done takes an answer.
func (a *async) done(err error) {
	if err != nil {
		a.w.fail(err)
		a.end()
		return
	}
	count := &a.w.counts[a.caller].n
	count.Store(count.Load() + 1)
	if a.timed {
		a.w.record(a.caller, time.Since(a.begin))
	}
	a.next()
}

// setup opens connections and says what that took. What follows is not counted:
// a round trip on each, because in TLS 1.3 a client's handshake is over before
// the server has looked at its certificate.
func setup(ctx context.Context, open peer.Opener, e peer.Env) (work.Result, error) {
	first, err := open(ctx, e.One())
	if err != nil {
		return work.Result{}, fmt.Errorf("open the first: %w", err)
	}
	runtime.GC()
	before, cpu, begin := take(), cpuSeconds(), time.Now()
	c, err := open(ctx, e)
	if err != nil {
		return work.Result{}, fmt.Errorf("open: %w", err)
	}
	r := work.Result{Conns: e.Work.Conns, Seconds: time.Since(begin).Seconds(), CPUSeconds: cpuSeconds() - cpu}
	after := take()
	r.Allocs, r.AllocBytes, r.GCs = after.allocs-before.allocs, after.bytes-before.bytes, after.gcs-before.gcs
	if len(c.Callers) != e.Work.Conns {
		return r, fmt.Errorf("the client has %d callers for %d connections: %w", len(c.Callers), e.Work.Conns, peer.ErrUnavailable)
	}
	for i, call := range c.Callers {
		if err := call(); err != nil {
			return r, fmt.Errorf("connection %d: %w", i, err)
		}
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(c)
	return r, nil
}

// settle is how long an idle client is left alone before it is weighed, for
// goroutines of the dialling to end.
const settle = 500 * time.Millisecond

// idle opens connections and weighs them.
func idle(ctx context.Context, open peer.Opener, e peer.Env) (work.Result, error) {
	// One connection first: what the first one costs is not the price of
	// a connection.
	first, err := open(ctx, e.One())
	if err != nil {
		return work.Result{}, fmt.Errorf("open the first: %w", err)
	}
	before := weigh()
	begin := time.Now()
	c, err := open(ctx, e)
	if err != nil {
		return work.Result{}, fmt.Errorf("open: %w", err)
	}
	took := time.Since(begin).Seconds()
	var ended *ends
	if e.Work.Busy {
		if ended, err = occupy(ctx, c, e.Work.Callers); err != nil {
			return work.Result{}, err
		}
	}
	after := weigh()
	if err := ended.err(); err != nil {
		return work.Result{}, err
	}
	runtime.KeepAlive(first)
	runtime.KeepAlive(c)
	return work.Result{
		Conns: e.Work.Conns, Seconds: took,
		Goroutines:  after.goroutines - before.goroutines,
		MemoryBytes: after.memory - before.memory,
		LiveBytes:   after.live - before.live,
		RSSBefore:   before.rss, RSSAfter: after.rss,
		Allocs: after.allocs - before.allocs, AllocBytes: after.bytes - before.bytes,
	}, nil
}

// weigh takes a snapshot after all garbage is gone and given back.
func weigh() usage {
	time.Sleep(settle)
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what the first one finalized
	return take()
}
