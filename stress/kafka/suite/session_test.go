package suite_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

// sessions is for how many sessions the load goes on.
const sessions = 3

// TestSessionsAreRenewedUnderLoad keeps callers busy on a listener that ends a connection with the first request after its session: all requests are
// answered, and all records are there. All mechanisms and drivers run at the same time: it takes as long as it takes.
func TestSessionsAreRenewedUnderLoad(t *testing.T) {
	t.Parallel()
	need(t, cluster.Session)
	if state.Session.Duration == 0 {
		t.Skip("the state does not say how long a session lasts")
	}
	for _, mechanism := range cluster.Mechanisms {
		for _, driver := range []kio.Driver{kio.DriverGnet, kio.DriverEpoll} {
			t.Run(mechanism+"/"+driver.String(), func(t *testing.T) {
				t.Parallel()
				renewed(t, door{cluster.Session, mechanism}, configOn(t, driver))
			})
		}
	}
}

func renewed(t *testing.T, d door, cfg kio.Config) {
	t.Helper()
	made := newTopic(t, door{cluster.Plaintext, ""}, cfg, topic.Layout{})
	b := leader(t, d, cfg, made)
	var acked, asked atomic.Int64
	end := time.Now().Add(sessions * state.Session.Duration)
	var wg sync.WaitGroup
	for caller := range 4 {
		wg.Go(func() {
			for i := 0; time.Now().Before(end); i++ {
				batch := topic.Batch([]kmsg.Record{{Value: fmt.Appendf(nil, "caller %d record %d", caller, i)}})
				if _, err := topic.Produced(b.Request(t.Context(), made.Produce(0, batch))); err != nil {
					t.Errorf("produce after %d records: %v", acked.Load(), err)
					return
				}
				acked.Add(1)
			}
		})
		wg.Go(func() {
			for time.Now().Before(end) {
				if _, err := made.Metadata().RequestWith(t.Context(), b); err != nil {
					t.Errorf("metadata after %d answers: %v", asked.Load(), err)
					return
				}
				asked.Add(1)
			}
		})
	}
	wg.Wait()
	got, err := made.ReadAll(t.Context(), b, 0)
	if err != nil {
		t.Fatal(err)
	}
	if int64(len(got)) != acked.Load() {
		t.Errorf("%d records are there, want the %d that were acknowledged", len(got), acked.Load())
	}
	s := b.Stats()
	if s.Reauthentications < sessions-1 {
		t.Errorf("%d re-authentications in %d sessions, want at least %d", s.Reauthentications, sessions, sessions-1)
	}
	if s.Failed != 0 || s.GaveUp != 0 || s.State != "open" {
		t.Errorf("Stats = %+v, want an open connection and nothing failed or given up", s)
	}
	t.Logf("%d records and %d questions in %d sessions of %v, %d re-authentications", acked.Load(), asked.Load(), sessions, state.Session, s.Reauthentications)
}
