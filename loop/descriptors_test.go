//go:build linux

package loop_test

import (
	"errors"
	"math"
	"os"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// withoutDescriptors runs f while the process can open no descriptor more.
func withoutDescriptors(t *testing.T, f func()) {
	t.Helper()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
		t.Fatal(err)
	}
	// The lowest free number is the limit: what is open above it stays open.
	probe, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	lowest := uint64(probe.Fd())
	_ = probe.Close()
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: lowest, Max: before.Max}); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &before); err != nil {
			t.Fatal(err)
		}
	}()
	f()
}

func TestADialWithoutDescriptorsFailsCleanly(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		_ = dial(t, e, b.Addr(), loop.Limits{})
		eventually(t, "it is accepted", func() bool { return b.Accepted() == 1 })
		withoutDescriptors(t, func() {
			for range 3 {
				c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{})
				if c != nil || !errors.Is(err, syscall.EMFILE) {
					t.Errorf("Dial: %v, want EMFILE", err)
				}
			}
		})
		if n := e.Conns(); n != 1 {
			t.Errorf("%d connections are counted, want 1", n)
		}
		c := dial(t, e, b.Addr(), loop.Limits{})
		if _, err := c.RoundTrip(t.Context(), request(1, nil), patience); err != nil {
			t.Error(err)
		}
	})
}

// TestAStalledWriterNeedsNoDescriptor: the duplicate that it waits on is a convenience.
func TestAStalledWriterNeedsNoDescriptor(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		read := make(chan struct{})
		b := hostileBroker(t, func(p *hostile.Peer) {
			<-read
			hostile.Answer(mirror)(p)
		})
		c, other := dial(t, e, b.Addr(), loop.Limits{}), dial(t, e, b.Addr(), loop.Limits{})
		eventually(t, "both accepted", func() bool { return b.Accepted() == 2 })
		var wg sync.WaitGroup
		withoutDescriptors(t, func() {
			for _, c := range []*loop.Conn{c, other} {
				wg.Go(func() {
					r := request(1, body(1, 16<<20))
					got, err := c.RoundTrip(t.Context(), r, 3*patience)
					if c == other {
						if !errors.Is(err, loop.ErrClosed) {
							t.Errorf("closed while stalled: %v", err)
						}
						return
					}
					if err != nil {
						t.Error(err)
						return
					}
					checkMirrored(t, r, got)
				})
				eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
			}
		})
		within(t, patience, "Close", func() { _ = other.Close() })
		close(read)
		within(t, 3*patience, "callers", wg.Wait)
	})
}

// TestDialsStartNoGoroutines: who dials waits; nobody else does.
func TestDialsStartNoGoroutines(t *testing.T) {
	e, err := loop.Start(loop.Config{Driver: loop.DriverEpoll})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = e.Stop() }()
	addr := fullListener(t)
	ctx := t.Context()
	before := runtime.NumGoroutine()
	var wg sync.WaitGroup
	const dials = 50
	for range dials {
		wg.Go(func() { _, _ = e.Dial(ctx, addr, loop.DialConfig{}) })
	}
	most := 0
	eventually(t, "the dials to wait", func() bool {
		most = max(most, runtime.NumGoroutine()-before)
		return most >= dials-5 // a few may find a place in the queue
	})
	if most > dials+2 {
		t.Errorf("%d goroutines for %d dials that somebody waits for, want none of the loop's own", most, dials)
	}
	_ = e.Stop()
	within(t, patience, "the dials", wg.Wait)
}

// TestFarDeadlines: the largest durations there are do not overflow into the past.
func TestFarDeadlines(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		c := dial(t, e, hostileBroker(t, hostile.Answer(mirror)).Addr(), loop.Limits{})
		if _, err := c.RoundTrip(t.Context(), request(1, nil), math.MaxInt64); err != nil {
			t.Error(err)
		}
	})
}

func TestAWriteWithoutProgressNeedsNoDescriptorToEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Silence)
		c := dial(t, e, b.Addr(), loop.Limits{MaxStall: 200 * time.Millisecond, MaxInFlight: 2})
		eventually(t, "accepted", func() bool { return b.Accepted() == 1 })
		withoutDescriptors(t, func() { testStalled(t, c) })
	})
}
