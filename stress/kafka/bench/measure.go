package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Phases of a measurement.
const (
	warming int32 = iota
	measuring
	stopping
)

// drainLimit is how long callers may take to end after the window.
const drainLimit = timeout + 10*time.Second

// window is what the callers share.
type window struct {
	phase  atomic.Int32
	failed atomic.Pointer[error]
	count  atomic.Int64 // of requests answered
}

// measure keeps a client busy, each caller with one request in flight.
func measure(ctx context.Context, j job, warmUp, length time.Duration) (result, error) {
	c, err := openers[j.peer](ctx, j)
	if err != nil {
		return result{}, fmt.Errorf("open: %w", err)
	}
	w := &window{}
	took := make([][]time.Duration, max(len(c.callers), len(c.submits)))
	var wg sync.WaitGroup
	for i, call := range c.callers {
		wg.Go(func() { took[i] = w.loop(call) })
	}
	for i, submit := range c.submits {
		wg.Add(1)
		a := &asker{window: w, submit: submit, took: make([]time.Duration, 0, 1<<12)}
		a.end = func() { took[i] = a.took; wg.Done() }
		a.done = a.answered
		a.ask()
	}
	w.wait(warmUp)
	allocated, cpu, requests, begin := mallocs(), cpuSeconds(), w.count.Load(), time.Now()
	w.phase.CompareAndSwap(warming, measuring)
	w.wait(length)
	r := result{Seconds: time.Since(begin).Seconds(), CPUSeconds: cpuSeconds() - cpu, Requests: int(w.count.Load() - requests), Allocs: mallocs() - allocated}
	w.phase.Store(stopping)
	if err := w.failed.Load(); err != nil {
		return result{}, *err
	}
	drained := make(chan struct{})
	go func() { wg.Wait(); close(drained) }() // ends with the callers
	select {
	case <-drained:
	case <-time.After(drainLimit):
		return result{}, errors.New("requests are unanswered long after the end")
	}
	all := slices.Sorted(slices.Values(slices.Concat(took...)))
	if n := len(all); n > 0 {
		r.P50, r.P99 = micros(all[n/2]), micros(all[n*99/100])
	}
	runtime.KeepAlive(c.keep)
	return r, nil
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

// loop is one caller, and gives the times of its requests. measure starts it, the phase or an error ends it, measure waits for it.
func (w *window) loop(call func() error) []time.Duration {
	took := make([]time.Duration, 0, 1<<12)
	for {
		phase := w.phase.Load()
		if phase == stopping {
			return took
		}
		begin := time.Now()
		if err := call(); err != nil {
			w.fail(err)
			return took
		}
		w.count.Add(1)
		if phase == measuring {
			took = append(took, time.Since(begin))
		}
	}
}

// fail ends the measurement.
func (w *window) fail(err error) {
	w.failed.CompareAndSwap(nil, &err)
	w.phase.Store(stopping)
}

// asker is one caller that has no goroutine: the answer to a request asks the next one. measure starts it, the phase or an error ends it.
type asker struct {
	*window
	submit func(done func(error)) error
	done   func(error) // answered, made a value once
	end    func()

	asked int32 // the window's phase when the request was asked
	begin time.Time
	took  []time.Duration
}

func (a *asker) ask() {
	if a.asked = a.phase.Load(); a.asked == stopping {
		a.end()
		return
	}
	a.begin = time.Now()
	if err := a.submit(a.done); err != nil {
		a.fail(err)
		a.end()
	}
}

func (a *asker) answered(err error) {
	if err != nil {
		a.fail(err)
		a.end()
		return
	}
	a.count.Add(1)
	if a.asked == measuring {
		a.took = append(a.took, time.Since(a.begin))
	}
	a.ask()
}

// wait lasts d, or until a caller fails.
func (w *window) wait(d time.Duration) {
	for end := time.Now().Add(d); w.phase.Load() != stopping; {
		left := time.Until(end)
		if left <= 0 {
			return
		}
		time.Sleep(min(left, 100*time.Millisecond))
	}
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// cpuSeconds is user and system time of the process.
func cpuSeconds() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}
