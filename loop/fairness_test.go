package loop_test

import (
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// TestAFloodCannotKeepOthersFromBeingServed: one connection is answered in 8 MiB pieces without end, a hundred others ask small questions on the same loop.
func TestAFloodCannotKeepOthersFromBeingServed(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		piece := make([]byte, 8<<20)
		flood := dial(t, e, hostileBroker(t, hostile.Answer(func([]byte) []byte { return piece })).Addr(), loop.Limits{})
		quiet := hostileBroker(t, hostile.Answer(mirror))
		var next func([]byte, error)
		var wg sync.WaitGroup
		wg.Add(1)
		stop := make(chan struct{})
		next = func(response []byte, err error) {
			select {
			case <-stop:
				wg.Done()
				return
			default:
			}
			if err != nil || len(response) != len(piece)+4 {
				t.Errorf("flood: %d bytes, %v", len(response), err)
				wg.Done()
				return
			}
			if err := flood.Submit(request(1, nil), time.Now().Add(6*patience), next); err != nil {
				t.Error(err)
				wg.Done()
			}
		}
		if err := flood.Submit(request(1, nil), time.Now().Add(6*patience), next); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var took []time.Duration
		var callers sync.WaitGroup
		for i := range 100 {
			c := dial(t, e, quiet.Addr(), loop.Limits{})
			callers.Go(func() {
				for range 10 {
					r := request(int32(i), binary.BigEndian.AppendUint32(nil, uint32(i)))
					began := time.Now()
					got, err := c.RoundTrip(t.Context(), r, 6*patience)
					if err != nil {
						t.Error(err)
						return
					}
					checkMirrored(t, r, got)
					mu.Lock()
					took = append(took, time.Since(began))
					mu.Unlock()
				}
			})
		}
		within(t, 6*patience, "the quiet connections", callers.Wait)
		close(stop)
		within(t, 6*patience, "the flood", wg.Wait)
		slices.Sort(took)
		if len(took) != 1000 {
			t.Fatalf("%d answers, want 1000", len(took))
		}
		if median := took[500]; median > time.Second {
			t.Errorf("a quiet connection waits %v beside a flood, want milliseconds", median)
		}
		t.Logf("beside the flood (%d pieces): median %v, p99 %v", flood.Stats().Answered, took[500], took[990])
	})
}
