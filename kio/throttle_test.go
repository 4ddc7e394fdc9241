package kio_test

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

func heartbeat(t *testing.T, b *kio.Broker, version int16) {
	t.Helper()
	r := kmsg.NewPtrHeartbeatRequest()
	r.SetVersion(version)
	if _, err := r.RequestWith(t.Context(), b); err != nil {
		t.Error(err)
	}
}

func TestAThrottledConnectionWaits(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		const wait = time.Second // in which five requests have to be asked
		s := &strictBroker{throttle: wait}
		b := mustDialBroker(t, s.listen(t), cfg)
		heartbeat(t, b, 1) // before KIP-219 (version 2 here) the broker has waited already
		if s := b.Stats(); s.Throttles != 0 {
			t.Errorf("%+v after an answer that was throttled beforehand, want no wait", s)
		}
		began := time.Now()
		heartbeat(t, b, 4)
		if took := time.Since(began); took > wait {
			t.Errorf("the answer that throttles took %v itself", took)
		}
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() { ask(t, b) })
		}
		submitted := make(chan error, 1)
		if err := b.Submit(request(3, 0, "\x00\x00\x00\x00"), time.Time{}, func(_ []byte, err error) { submitted <- err }); err != nil {
			t.Error(err)
		}
		eventually(t, "all wait", func() bool { s := b.Stats(); return s.Waiting == 5 && s.Throttled > 0 })
		wg.Wait()
		if err := <-submitted; err != nil {
			t.Error(err)
		}
		if took := time.Since(began); took < wait {
			t.Errorf("requests were answered %v after the throttling answer, want at least %v", took, wait)
		}
		if s := b.Stats(); s.Throttled < wait || s.Throttled > wait+patience || s.Throttles != 1 {
			t.Errorf("%+v, want one wait of %v", s, wait)
		}
		before := b.Stats().Throttled
		ask(t, b)
		if after := b.Stats().Throttled; after != before {
			t.Errorf("the time grew from %v to %v without a wait", before, after)
		}
	})
}

func TestThrottlingIsCapped(t *testing.T) {
	for _, tt := range []struct {
		name  string
		limit time.Duration
		least time.Duration
	}{{"capped", 50 * time.Millisecond, 50 * time.Millisecond}, {"off", -1, 0}} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t)
			cfg.MaxThrottle = tt.limit
			s := &strictBroker{throttle: time.Hour}
			b := mustDialBroker(t, s.listen(t), cfg)
			began := time.Now()
			heartbeat(t, b, 4)
			ask(t, b)
			if took := time.Since(began); took < tt.least || took > patience {
				t.Errorf("took %v, want at least %v and no hour", took, tt.least)
			}
		})
	}
}

// Several answers that throttle at the same time are one wait, to the end of the longest.
func TestThrottlesOverlap(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := &strictBroker{throttle: 100 * time.Millisecond}
		b := mustDialBroker(t, s.listen(t), cfg)
		began := time.Now()
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				for range 3 {
					heartbeat(t, b, 4)
				}
			})
		}
		wg.Wait()
		ask(t, b)
		took := time.Since(began)
		if s := b.Stats(); s.Throttled > took || s.Throttled < 100*time.Millisecond || s.Throttles != 48 || s.Waiting != 0 {
			t.Errorf("%+v after %v, want 48 throttling answers and no more than the time that has passed", s, took)
		}
	})
}

func TestDeadlinesRunWhileThrottled(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := &strictBroker{throttle: time.Hour}
		b := mustDialBroker(t, s.listen(t), cfg)
		heartbeat(t, b, 4)
		ctx, cancel := context.WithTimeout(t.Context(), short)
		defer cancel()
		_, err := kmsg.NewPtrMetadataRequest().RequestWith(ctx, b)
		wantIs(t, err, os.ErrDeadlineExceeded)
		if e := withCode(t, err, kio.CodeCannotSend); !e.SafeToRetry() {
			t.Errorf("%v: not safe to retry, though it was never sent", err)
		}
		// Close ends the wait, and config finds what it leaves behind.
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAThrottlingCluster(t *testing.T) {
	cfg := config(t)
	c, addr := fakeKafka(t, "topic")
	c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
		response := r.ResponseKind().(*kmsg.MetadataResponse)
		response.ThrottleMillis = 200
		return response, nil, true
	})
	b := mustDialBroker(t, addr, cfg)
	began := time.Now()
	ask(t, b)
	ask(t, b)
	if took := time.Since(began); took < 200*time.Millisecond {
		t.Errorf("two requests took %v, want the second one to wait 200 ms", took)
	}
}
