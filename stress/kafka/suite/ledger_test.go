package suite_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/topic"
)

// fate is what a writer knows of a batch in the end.
type fate uint8

const (
	acked     fate = iota + 1 // the broker has said that it is written
	unwritten                 // it cannot have been written, however often it was tried
	unsure                    // it may have been written, or not
)

// place is where a record is, or a batch begins.
type place struct {
	partition int32
	offset    int64
}

// written is the end of a batch.
type written struct {
	place // of acknowledged ones
	fate  fate
}

// ledger is what became of all batches, by number. Record i of batch n has the number n*rollingBatch+i, which is its key.
type ledger struct {
	mu      sync.Mutex
	next    int
	batches map[int]written
	counts  map[fate]int
	again   map[string]int // attempts that were made again, by their reason
	doubts  map[string]int // batches whose fate is unsure, by their reason
}

func newLedger() ledger {
	return ledger{batches: map[int]written{}, counts: map[fate]int{}, again: map[string]int{}, doubts: map[string]int{}}
}

// take gives the number of a new batch.
func (l *ledger) take() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next++
	return l.next - 1
}

// sent is how many batches have been begun.
func (l *ledger) sent() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

func (l *ledger) acknowledged() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counts[acked]
}

// failed is how many attempts to write a batch have not been acknowledged.
func (l *ledger) failed() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	failed := l.counts[unwritten] + l.counts[unsure]
	for _, n := range l.again {
		failed += n
	}
	return failed
}

func (l *ledger) enter(batch int, w written) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.batches[batch] = w
	l.counts[w.fate]++
}

func (l *ledger) count(of map[string]int, reason string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	of[reason]++
}

// String counts records, and attempts by their reason.
func (l *ledger) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d records: %d acknowledged, %d never written, %d unsure; batches sent again:%s; batches in doubt:%s", l.next*rollingBatch,
		l.counts[acked]*rollingBatch, l.counts[unwritten]*rollingBatch, l.counts[unsure]*rollingBatch, listed(l.again), listed(l.doubts))
}

func listed(counts map[string]int) string {
	if len(counts) == 0 {
		return " none"
	}
	var b strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		fmt.Fprintf(&b, " %d %s", counts[reason], reason)
	}
	return b.String()
}

// write is a writer of a partition. A patient one tries each batch until it is acknowledged or in doubt; one that is not gives it up when it was refused for
// the first time, which makes records that were never written.
func (r *rolling) write(t *testing.T, partition int32, patient bool) {
	limit := rollingLimit
	if !patient {
		limit = hastyLimit
	}
	for !r.stop.Load() {
		batch := r.records.take()
		r.records.enter(batch, r.send(t, partition, batch, limit, patient))
		if !r.restarted.Load() {
			<-time.After(r.pace) // the load is to last as long as the restart
		}
	}
}

// send writes a batch. SafeToRetry is the reason to send it again, and nothing else is but an answer that says itself that nothing was written.
func (r *rolling) send(t *testing.T, partition int32, batch int, limit time.Duration, patient bool) written {
	records := make([]kmsg.Record, rollingBatch)
	for i := range records {
		n := int64(batch*rollingBatch + i)
		records[i] = kmsg.Record{Key: strconv.AppendInt(nil, n, 10), Value: []byte(valueOf(n))}
	}
	raw := topic.Batch(records)
	for end := time.Now().Add(restartLimit); ; {
		at, certain, err := r.attempt(t, r.cluster, partition, limit, raw)
		switch {
		case err == nil:
			return written{at, acked}
		case !certain:
			r.records.count(r.records.doubts, reasonOf(err))
			return written{fate: unsure}
		case !patient || time.Now().After(end):
			return written{fate: unwritten}
		}
		r.records.count(r.records.again, reasonOf(err))
		<-time.After(20 * time.Millisecond) // between two attempts
	}
}

// attempt tries once to write a batch, and reports, where it fails, whether it is certain that nothing was written.
func (r *rolling) attempt(t *testing.T, c *kio.Cluster, partition int32, limit time.Duration, raw []byte) (at place, certain bool, err error) {
	err = r.call(t, limit, func(ctx context.Context) error {
		node, err := c.Leader(ctx, r.topic.Name, partition)
		if err != nil {
			certain = true // nothing was sent
			if e := asKio(err); e == nil || !e.SafeToRetry() {
				t.Errorf("Leader: %v, want an error that is safe to retry", err)
			}
			return err
		}
		offset, err := topic.Produced(c.RequestTo(ctx, node, r.topic.Produce(partition, raw)))
		at = place{partition, offset}
		if e := asKio(err); e != nil {
			certain = e.SafeToRetry()
		} else {
			certain = err != nil && refused(err, offset)
		}
		return err
	})
	return at, certain, err
}

// refused reports whether an answer says that nothing was written. The code alone does not: with acks=all a leader appends the records, waits for its followers, and
// answers NOT_LEADER_OR_FOLLOWER when it loses the partition meanwhile, though the new leader may have them (apache/kafka DelayedProduce.scala, Partition
// .checkEnoughReplicasReachOffset). The answer then has the offset to which they were appended, and -1 where the broker refused them before
// (ReplicaManager.buildProducePartitionStatus). NOT_ENOUGH_REPLICAS comes before appending, NOT_ENOUGH_REPLICAS_AFTER_APPEND says what it is. Everything else is in
// doubt: REQUEST_TIMED_OUT and KAFKA_STORAGE_ERROR, for example.
func refused(err error, offset int64) bool {
	if offset >= 0 {
		return false
	}
	for _, before := range []*kerr.Error{kerr.NotLeaderForPartition, kerr.UnknownTopicOrPartition, kerr.UnknownTopicID, kerr.LeaderNotAvailable, kerr.NotEnoughReplicas} {
		if errors.Is(err, before) {
			return true
		}
	}
	return false
}

func asKio(err error) *kio.Error {
	var e *kio.Error
	errors.As(err, &e)
	return e
}

// reasonOf is a word for an error.
func reasonOf(err error) string {
	var answer *kerr.Error
	var leader *kio.LeaderError
	e := asKio(err)
	switch {
	case errors.As(err, &answer):
		return answer.Message
	case errors.As(err, &leader):
		return "without a leader"
	case e != nil && e.SafeToRetry():
		return "unsent"
	case errors.Is(err, context.DeadlineExceeded):
		return "too late"
	default:
		return "cut off"
	}
}

func valueOf(number int64) string {
	return fmt.Sprintf("record %d, which is as good as any other", number)
}

// numberOf is the number of a record by its key; negative if it is none of a batch.
func numberOf(key []byte) int64 {
	n, err := strconv.ParseInt(string(key), 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// complaints are errors of a test, of which the first ones are told: one mistake may concern all records.
type complaints struct {
	t *testing.T
	n int
}

func (c *complaints) addf(format string, args ...any) {
	c.t.Helper()
	const told = 20
	if c.n++; c.n <= told {
		c.t.Errorf(format, args...)
	}
	if c.n == told {
		c.t.Errorf("and so on")
	}
}

// compare looks for all records among those that are there.
func (l *ledger) compare(t *testing.T, complain *complaints, there map[int64]place) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.batches) != l.next {
		complain.addf("%d of %d batches have ended", len(l.batches), l.next)
	}
	known, unsureThere := 0, 0
	for batch, w := range l.batches {
		found := 0
		for i := range int64(rollingBatch) {
			n := int64(batch)*rollingBatch + i
			got, ok := there[n]
			if ok {
				found++
			}
			if want := (place{w.partition, w.offset + i}); w.fate == acked && (!ok || got != want) {
				complain.addf("record %d was acknowledged at %+v and is there: %t, at %+v", n, want, ok, got)
			}
		}
		switch {
		case w.fate == unwritten && found > 0:
			complain.addf("%d records of batch %d are there, and were said never to have been written", found, batch)
		case w.fate == unsure && found != 0 && found != rollingBatch:
			complain.addf("%d records of batch %d are there, want all or none", found, batch)
		case w.fate == unsure && found > 0:
			unsureThere += found
		}
		known += found
	}
	if known != len(there) {
		complain.addf("%d records are there, and %d of them were sent", len(there), known)
	}
	t.Logf("%d records are there; of the %d unsure ones %d are", len(there), l.counts[unsure]*rollingBatch, unsureThere)
}
