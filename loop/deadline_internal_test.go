package loop

import (
	"context"
	"testing"
	"time"
)

// BenchmarkDeadline compares what it costs to give a request a deadline and to take it away with its answer.
func BenchmarkDeadline(b *testing.B) {
	b.Run("ours", func(b *testing.B) {
		c := &Conn{timerAt: never, reg: noRegistration{}}
		c.state = stateOpen
		defer func() { c.timer.Stop() }()
		b.ReportAllocs()
		for b.Loop() {
			c.mu.Lock()
			e := newEntry()
			e.state = entryInFlight
			e.deadline = after(1500 * time.Millisecond)
			c.inFlight.pushBack(e)
			c.armLocked(e.deadline)
			c.mu.Unlock()

			c.mu.Lock() // the answer
			c.inFlight.remove(e)
			c.mu.Unlock()
			e.free()
		}
	})
	b.Run("AfterFunc", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			time.AfterFunc(1500*time.Millisecond, func() {}).Stop()
		}
	})
	b.Run("Timer.Reset", func(b *testing.B) {
		t := time.AfterFunc(time.Hour, func() {})
		b.ReportAllocs()
		for b.Loop() {
			t.Reset(1500 * time.Millisecond)
			t.Stop()
		}
	})
	b.Run("context.WithTimeout", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, cancel := context.WithTimeout(context.Background(), 1500*time.Millisecond)
			cancel()
		}
	})
}

// TestADeadlineCostsNoAllocation counts what BenchmarkDeadline measures.
func TestADeadlineCostsNoAllocation(t *testing.T) {
	c := &Conn{timerAt: never, reg: noRegistration{}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.armLocked(after(time.Hour))
	defer c.timer.Stop()
	if n := testing.AllocsPerRun(1000, func() { c.armLocked(after(2 * time.Hour)) }); n != 0 {
		t.Errorf("arming a deadline allocates %v times, want 0", n)
	}
}

// noRegistration is a registration that nothing is asked of.
type noRegistration struct{ registration }
