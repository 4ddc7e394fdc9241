package kio

import (
	"math"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestGateBoundsHowManyConnectAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newDialGate(3, -1)
		free := make(chan struct{})
		var running, most atomic.Int32
		var ended sync.WaitGroup
		for range 10 {
			ended.Add(1)
			g.enter(&attempt{run: func() {
				defer ended.Done()
				if n := running.Add(1); n > most.Load() {
					most.Store(n)
				}
				<-free
				running.Add(-1)
			}})
		}
		synctest.Wait()
		if s := g.snapshot(); s.Running != 3 || s.Waiting != 7 || s.Started != 3 {
			t.Errorf("%+v, want 3 running and 7 waiting", s)
		}
		close(free)
		ended.Wait()
		synctest.Wait()
		if s := g.snapshot(); most.Load() != 3 || s.MaxRunning != 3 || s.Running != 0 || s.Waiting != 0 || s.Started != 10 {
			t.Errorf("at most %d at a time, %+v; want 3", most.Load(), s)
		}
	})
}

func TestGateBoundsHowManyBeginInASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newDialGate(100, 50)
		began := time.Now()
		var mu sync.Mutex
		var starts []time.Duration
		for range 200 {
			g.enter(&attempt{run: func() {
				mu.Lock()
				starts = append(starts, time.Since(began))
				mu.Unlock()
			}})
		}
		<-time.After(10 * time.Second) // of the bubble's time
		synctest.Wait()
		mu.Lock()
		defer mu.Unlock()
		if len(starts) != 200 {
			t.Fatalf("%d have begun", len(starts))
		}
		for i := range starts {
			for j := i; j < len(starts) && starts[j] < starts[i]+time.Second; j++ {
				if n := j - i + 1; n > 50+6 { // what the burst of a tenth of a second adds
					t.Fatalf("%d have begun within a second from %v on, want 50", n, starts[i])
				}
			}
		}
		if last := starts[len(starts)-1]; last > 4*time.Second {
			t.Errorf("the last one has begun after %v: the rate is not used", last)
		}
	})
}

func TestGateServesSlowOnesLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newDialGate(4, -1)
		free := make(chan struct{})
		var fresh, slow atomic.Int32
		for range 8 {
			g.enter(&attempt{slow: true, run: func() { slow.Add(1); <-free }})
		}
		synctest.Wait()
		if n := slow.Load(); n != 2 {
			t.Errorf("%d slow ones are under way, want half of 4", n)
		}
		for range 6 {
			g.enter(&attempt{run: func() { fresh.Add(1) }})
		}
		synctest.Wait()
		if n := fresh.Load(); n != 6 {
			t.Errorf("%d of 6 others were let through", n)
		}
		close(free)
		synctest.Wait()
		if n := slow.Load(); n != 8 {
			t.Errorf("%d of 8 have had their turn in the end", n)
		}
	})
}

func TestGateKeepsPlacesFromSlowOnesForThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newDialGate(16, -1)
		free, again := make(chan struct{}), make(chan struct{})
		var slow atomic.Int32
		for range 14 { // so many places are taken when slow ones come, and others wait as well
			g.enter(&attempt{run: func() { <-again }})
		}
		synctest.Wait()
		for range 2 {
			g.enter(&attempt{run: func() { <-again }})
		}
		for range 40 {
			g.enter(&attempt{run: func() { <-free }})
			g.enter(&attempt{slow: true, run: func() { slow.Add(1); <-free }})
		}
		close(again) // 16 places for 40 of each
		synctest.Wait()
		if n := slow.Load(); n != 2 {
			t.Errorf("%d slow ones have a place while others wait, want 2 of 16", n)
		}
		close(free)
		synctest.Wait()
		if n := slow.Load(); n != 40 {
			t.Errorf("%d of 40 have had their turn in the end", n)
		}
	})
}

func TestGateStarvesNoSlowOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newDialGate(4, 100)
		var over atomic.Bool
		var again func()
		again = func() { // thousands of brokers that refuse
			if !over.Load() {
				g.enter(&attempt{run: again})
			}
		}
		for range 50 {
			g.enter(&attempt{run: again})
		}
		var slow atomic.Int32
		for range 8 {
			g.enter(&attempt{slow: true, run: func() { slow.Add(1) }})
		}
		<-time.After(time.Second) // of the bubble's time
		over.Store(true)
		if n := slow.Load(); n != 8 {
			t.Errorf("%d of 8 slow ones had their turn among 100", n)
		}
		<-time.After(time.Second)
		synctest.Wait()
	})
}

func TestGateTakesAnyRateAndAnyNumberOfPlaces(t *testing.T) {
	for _, tt := range []struct {
		places int
		rate   float64
		begun  uint64 // within a second
	}{
		{math.MaxInt, 1000, 1101}, // the rate, and the burst of a tenth of a second
		{1, 1e-300, 1},
		{math.MaxInt, 1e-12, 1},
		{math.MaxInt, 1e300, 2000},
	} {
		synctest.Test(t, func(t *testing.T) {
			g := newDialGate(tt.places, tt.rate)
			var attempts []*attempt
			for range 2000 {
				a := &attempt{run: func() {}}
				attempts = append(attempts, a)
				g.enter(a)
			}
			<-time.After(time.Second) // of the bubble's time
			synctest.Wait()
			if n := g.snapshot().Started; n > tt.begun || n < tt.begun-2 && tt.begun > 1 || n == 0 {
				t.Errorf("%d places, %v a second: %d have begun, want %d", tt.places, tt.rate, n, tt.begun)
			}
			for _, a := range attempts {
				g.drop(a)
			}
			if g.timer != nil {
				g.timer.Stop()
			}
		})
	}
}

func TestGateTakesBackWhatHasNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newDialGate(1, -1)
		free := make(chan struct{})
		first := &attempt{run: func() { <-free }}
		var ran atomic.Bool
		second := &attempt{run: func() { ran.Store(true) }}
		g.enter(first)
		g.enter(second)
		synctest.Wait()
		if g.drop(first) {
			t.Error("one under way was taken back")
		}
		if !g.drop(second) || g.drop(second) {
			t.Error("one that waits is to be taken back, once")
		}
		close(free)
		synctest.Wait()
		if ran.Load() || g.snapshot().Waiting != 0 {
			t.Errorf("it has run: %v, %+v", ran.Load(), g.snapshot())
		}
	})
}

func TestBackoffDoublesUpToItsBound(t *testing.T) {
	for _, tt := range []struct {
		failures int
		top      time.Duration
	}{{1, 100}, {2, 200}, {3, 400}, {4, 800}, {5, 1000}, {6, 1000}, {1000, 1000}} {
		most := time.Duration(0)
		for range 2000 {
			most = max(most, backoff(tt.failures, 100, 1000))
		}
		if most > tt.top || most < tt.top*9/10 {
			t.Errorf("after %d failures at most %d, want up to %d", tt.failures, most, tt.top)
		}
	}
	for _, most := range []time.Duration{1 << 62, math.MaxInt64} {
		for _, failures := range []int{1, 2, 31, 60, math.MaxInt} {
			if d := backoff(failures, time.Hour, most); d < 0 {
				t.Errorf("%v: overflow", d)
			}
			if d := backoff(failures, most, most); d < 0 {
				t.Errorf("%v: overflow", d)
			}
		}
	}
}
