package suite_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

// setQuota sets the bytes a second that a client may produce, or takes the bound away if it is 0.
func setQuota(ctx context.Context, r kmsg.Requestor, clientID string, bytesPerSecond float64) error {
	entity := kmsg.NewAlterClientQuotasRequestEntryEntity()
	entity.Type, entity.Name = "client-id", &clientID
	op := kmsg.NewAlterClientQuotasRequestEntryOp()
	op.Key, op.Value, op.Remove = "producer_byte_rate", bytesPerSecond, bytesPerSecond == 0
	entry := kmsg.NewAlterClientQuotasRequestEntry()
	entry.Entity, entry.Ops = append(entry.Entity, entity), append(entry.Ops, op)
	req := kmsg.NewPtrAlterClientQuotasRequest()
	req.Entries = append(req.Entries, entry)
	resp, err := req.RequestWith(ctx, r)
	if err != nil {
		return err
	}
	for _, e := range resp.Entries {
		if err := kerr.ErrorForCode(e.ErrorCode); err != nil {
			return err
		}
	}
	return nil
}

// TestAThrottledConnectionWaits gives a client a quota and exceeds it: what the broker asks for is seen in Stats, the next request waits for it, at
// most for Config.MaxThrottle, and is answered.
func TestAThrottledConnectionWaits(t *testing.T) {
	t.Parallel()
	d := door{cluster.Plaintext, ""}
	need(t, d.listener)
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		const quota, batchBytes, longest = 20_000, 100_000, 2 * time.Second
		admin := d.dial(t, cfg)
		cfg.ClientID = fmt.Sprintf("throttled-%d", time.Now().UnixNano())
		cfg.MaxThrottle = longest
		made := newTopic(t, d, cfg, topic.Layout{})
		if err := setQuota(t.Context(), admin, cfg.ClientID, quota); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			b, err := kio.DialBroker(ctx, admin.Addr(), cfg)
			if err == nil {
				defer b.Close()
				err = setQuota(ctx, b, cfg.ClientID, 0)
			}
			if err != nil {
				t.Logf("the quota stays: %v", err)
			}
		})
		b := leader(t, d, cfg, made)
		batch := topic.Batch([]kmsg.Record{{Value: make([]byte, batchBytes)}})
		var asked time.Duration
		eventually(t, "an answer that throttles", patience, func() bool { // brokers learn of a quota a moment later
			resp, err := made.Produce(0, batch).RequestWith(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			asked = time.Duration(resp.ThrottleMillis) * time.Millisecond
			return asked > 0
		})
		began := time.Now()
		if _, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		took, want := time.Since(began), min(asked, longest)
		// A broker that throttles reads on only when its own time is over, so there is no upper bound but that.
		if took < want-100*time.Millisecond || took > asked+patience {
			t.Errorf("the next request took %v, want about %v: the broker asked for %v, MaxThrottle is %v", took, want, asked, longest)
		}
		if s := b.Stats(); s.Throttles == 0 || s.Throttled < want-100*time.Millisecond || s.Throttled > longest+time.Second {
			t.Errorf("Stats: %d throttles, %v; want at least one and about %v", s.Throttles, s.Throttled, want)
		}
		t.Logf("the broker asked for %v, the next request took %v", asked, took.Round(time.Millisecond))
	})
}
