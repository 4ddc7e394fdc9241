//go:build !race

package loop_test

import (
	"runtime"
	"strings"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// TestAllocationsPerRequest holds what BENCHMARKS.md says: nothing for Submit, the answer for RoundTrip. Nor does an Observer add any.
func TestAllocationsPerRequest(t *testing.T) {
	for _, o := range observers {
		t.Run(o.name, func(t *testing.T) { testAllocationsPerRequest(t, o.observer) })
	}
}

func testAllocationsPerRequest(t *testing.T, o *loop.Observer) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, answerWithoutAllocating)
		c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{Observer: o})
		if err != nil {
			t.Fatal(err)
		}
		r := request(1, body(1, 50))
		ended := make(chan struct{}, 1)
		done := func([]byte, error) { ended <- struct{}{} }
		for _, tt := range []struct {
			name string
			call func()
			want float64
		}{
			{"RoundTrip", func() { _, _ = c.RoundTrip(t.Context(), r, patience) }, 1},
			{"Submit", func() { _ = c.Submit(r, time.Now().Add(patience), done); <-ended }, 0},
		} {
			if got := testing.AllocsPerRun(2000, tt.call); got > tt.want {
				t.Errorf("%s allocates %v times a request, want %v", tt.name, got, tt.want)
			}
		}
	})
}

// answerWithoutAllocating echoes the one request that the test sends, 58 bytes after its size: AllocsPerRun counts the whole process.
func answerWithoutAllocating(p *hostile.Peer) {
	var frame [4 + 58]byte
	for {
		for n := 0; n < len(frame); {
			m, err := p.Read(frame[n:])
			if err != nil {
				return
			}
			n += m
		}
		answer := frame[4:] // the correlation id and the body stand where they have to
		copy(answer, []byte{0, 0, 0, byte(len(answer) - 4)})
		if _, err := p.Write(answer); err != nil {
			return
		}
	}
}

func TestIdleConnectionsHaveNoGoroutines(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		c := dial(t, e, b.Addr(), loop.Limits{})
		call := func(c *loop.Conn) {
			if _, err := c.RoundTrip(t.Context(), request(1, nil), patience); err != nil {
				t.Fatal(err)
			}
		}
		call(c)
		before := goroutinesOfLoop()
		for range 100 {
			call(dial(t, e, b.Addr(), loop.Limits{}))
		}
		if after := goroutinesOfLoop(); after != before {
			t.Errorf("%d goroutines with 101 connections, want the %d with one", after, before)
		}
	})
}

// goroutinesOfLoop counts the goroutines that the package, or gnet for it, has started.
func goroutinesOfLoop() int {
	buf := make([]byte, 4<<20)
	n := 0
	for _, g := range strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n") {
		if (strings.Contains(g, "kafkaio/loop.") || strings.Contains(g, "gnet")) && !strings.Contains(g, "kafkaio/loop_test.") {
			n++
		}
	}
	return n
}
