package loop_test

import (
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// observers are those of the benchmarks: who is not observed must not pay for it.
var observers = []struct {
	name     string
	observer *loop.Observer
}{
	{"unobserved", nil},
	{"observed", &loop.Observer{
		OnWrite:   func(loop.WriteInfo) {},
		OnRead:    func(loop.ReadInfo) {},
		OnRequest: func(loop.RequestInfo) {},
	}},
}

// One caller who waits: the connection is idle after each answer.
func BenchmarkRoundTrip(b *testing.B) {
	for _, o := range observers {
		b.Run(o.name, func(b *testing.B) {
			c := benchConn(b, loop.DialConfig{Observer: o.observer})
			r := request(1, body(1, 50))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.RoundTrip(b.Context(), r, patience); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// Callbacks that keep the connection full.
func BenchmarkSubmit(b *testing.B) {
	for _, o := range observers {
		b.Run(o.name, func(b *testing.B) {
			c := benchConn(b, loop.DialConfig{Observer: o.observer})
			r := request(1, body(1, 50))
			const deep = 64
			room := make(chan struct{}, deep)
			done := func([]byte, error) { <-room }
			b.ReportAllocs()
			for b.Loop() {
				room <- struct{}{}
				if err := c.Submit(r, time.Time{}, done); err != nil {
					b.Fatal(err)
				}
			}
			for range deep {
				room <- struct{}{}
			}
		})
	}
}

// A snapshot for each connection every second is what a dashboard takes.
func BenchmarkStats(b *testing.B) {
	c := benchConn(b, loop.DialConfig{})
	b.ReportAllocs()
	for b.Loop() {
		_ = c.Stats()
	}
}

func benchConn(b *testing.B, cfg loop.DialConfig) *loop.Conn {
	b.Helper()
	e, err := loop.Start(loop.Config{Loops: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Stop() })
	c, err := e.Dial(b.Context(), hostile.Listen(b, echoRequests).Addr(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	return c
}

// echoRequests answers requests of 58 bytes, all that have arrived at a time, without allocating.
func echoRequests(p *hostile.Peer) {
	const size = 4 + 58
	in := make([]byte, 1024*size)
	out := make([]byte, 0, len(in))
	for n := 0; ; {
		m, err := p.Read(in[n:])
		if err != nil {
			return
		}
		n += m
		whole := n - n%size
		out = out[:0]
		for i := 0; i < whole; i += size {
			out = append(out, 0, 0, 0, size-8)
			out = append(out, in[i+8:i+size]...)
		}
		n = copy(in, in[whole:n])
		if _, err := p.Write(out); err != nil {
			return
		}
	}
}
