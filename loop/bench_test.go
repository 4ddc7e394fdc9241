//go:build !race

package loop_test

import (
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// BenchmarkRequests is the way of a small request and its answer over loopback: one caller, many callers of one connection, and Submit with as many in
// flight. The peer is a goroutine of the same process, whose cost is in the figures.
func BenchmarkRequests(b *testing.B) {
	for _, d := range drivers() {
		b.Run(d.String(), func(b *testing.B) {
			e, err := loop.Start(loop.Config{Driver: d, Loops: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = e.Stop() }()
			c, err := e.Dial(b.Context(), hostile.Listen(b, answerWithoutAllocating).Addr(), loop.DialConfig{})
			if err != nil {
				b.Fatal(err)
			}
			r := request(1, body(1, 50))
			b.Run("RoundTrip", func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := c.RoundTrip(b.Context(), r, patience); err != nil {
						b.Fatal(err)
					}
				}
			})
			const callers = 64
			b.Run("RoundTrip64", func(b *testing.B) {
				b.ReportAllocs()
				b.SetParallelism(callers)
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						if _, err := c.RoundTrip(b.Context(), r, patience); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
			b.Run("Submit64", func(b *testing.B) {
				b.ReportAllocs()
				free := make(chan struct{}, callers)
				done := func(_ []byte, err error) {
					if err != nil {
						b.Error(err)
					}
					free <- struct{}{}
				}
				for range callers {
					free <- struct{}{}
				}
				for b.Loop() {
					<-free
					if err := c.Submit(r, time.Now().Add(patience), done); err != nil {
						b.Fatal(err)
					}
				}
				for range callers {
					<-free
				}
			})
		})
	}
}
