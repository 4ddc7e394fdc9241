package suite_test

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

const (
	// rollingRecords are written at least, in batches of rollingBatch, and more for as long as nodes are being restarted.
	rollingRecords = 100_000
	rollingBatch   = 20
	// rollingPartitions are led by all nodes, and each has two writers and a reader.
	rollingPartitions = 12
	// rollingSpread is over how long the records are spread for each node that is restarted: a third of what it takes on a busy machine (guessed).
	rollingSpread = 10 * time.Second
	// rollingLimit is the deadline of each call, hastyLimit of those by writers that give up soon, and rollingSlack what a busy machine may add to
	// them: all guessed. JVMs are starting beside it.
	rollingLimit = 10 * time.Second
	hastyLimit   = 2 * time.Second
	rollingSlack = 5 * time.Second
)

// TestARollingRestartUnderLoad restarts all nodes one after the other while a Cluster writes with acks=all, and reads. Leaders move, and one that has
// moved is no reason to write a record again: only what can never have arrived is sent once more (see send). Every record that was acknowledged is there, once,
// where the broker said; none is there that is said never to have been written; those that nobody can tell of are counted.
func TestARollingRestartUnderLoad(t *testing.T) {
	for _, c := range []struct {
		name   string
		door   door
		driver kio.Driver
		hold   int
		nodes  int // how many it needs
		end    func(*cluster.State, context.Context, int32) error
	}{
		{"stop PLAINTEXT", door{cluster.Plaintext, ""}, kio.DriverEpoll, 0, 1, (*cluster.State).Stop},
		{"stop SASL_SSL", door{cluster.SASLSSL, cluster.Scram512}, kio.DriverGnet, 1, 1, (*cluster.State).Stop},
		{"kill SSL", door{cluster.SSL, ""}, kio.DriverEpoll, 1, 3, (*cluster.State).Kill},
	} {
		t.Run(c.name, func(t *testing.T) {
			needNodes(t, c.nodes)
			need(t, c.door.listener)
			if !state.Owned() {
				t.Skip("the cluster was not started by make kafka-up: its brokers are not ours to restart")
			}
			if len(state.Nodes) < 3 {
				t.Logf("NOT ALL OF IT: with %d node(s) no leader moves; make kafka-test NODES=3", len(state.Nodes))
			}
			cfg := configOn(t, c.driver)
			cfg.Cluster.HoldOpen, cfg.Cluster.ConnsPerClass = c.hold, 2
			r := newRolling(t, c.door, cfg)
			var busy sync.WaitGroup
			for p := range int32(rollingPartitions) {
				busy.Go(func() { r.write(t, p, true) })
				busy.Go(func() { r.write(t, p, false) })
				busy.Go(func() { r.read(t, p) })
			}
			defer busy.Wait()
			defer r.stop.Store(true)
			before := r.epochs(t)
			r.restartAll(t, c.end)
			moved := 0
			for p, epoch := range r.epochs(t) {
				moved += int(epoch - before[p])
			}
			r.restarted.Store(true)
			eventually(t, "all records are written", restartLimit, func() bool { return r.records.sent() >= rollingRecords/rollingBatch })
			r.stop.Store(true)
			busy.Wait()

			if failed := r.records.failed(); failed == 0 || len(state.Nodes) > 1 && moved < rollingPartitions {
				t.Errorf("leaders have changed %d times and %d attempts to write have failed: the restart met no load", moved, failed)
			}
			t.Logf("leaders have changed %d times; %s", moved, r.told(t))
			r.check(t)
		})
	}
}

// rolling is a load on all partitions of a topic, by one Cluster.
type rolling struct {
	// Immutable.
	door    door
	cfg     kio.Config
	cluster *kio.Cluster
	topic   topic.Topic
	pace    time.Duration // between two batches of a writer

	restarted atomic.Bool // all nodes are back
	stop      atomic.Bool
	longest   atomic.Int64               // of all calls, in nanoseconds
	seen      [rollingPartitions][]int64 // by offset, the numbers of the records that the reader has had; its own until it has ended
	records   ledger
}

func newRolling(t *testing.T, d door, cfg kio.Config) *rolling {
	t.Helper()
	cfg.DialTimeout = patience
	r := &rolling{door: d, cfg: cfg, records: newLedger()}
	r.topic = newTopic(t, d, cfg, topic.Layout{Partitions: rollingPartitions, Replicas: replicas(), MinInSync: (int(replicas()) + 1) / 2})
	r.cluster = openCluster(t, d, cfg)
	perWriter := rollingRecords / rollingBatch / (2 * rollingPartitions)
	r.pace = time.Duration(len(state.Nodes)) * rollingSpread / time.Duration(perWriter)
	r.awaitInSync(t)
	return r
}

// call makes a call with a deadline, and checks that it ends by then, and with the error that it ought to.
func (r *rolling) call(t *testing.T, limit time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	began := time.Now()
	err := f(ctx)
	took := time.Since(began)
	if took > limit+rollingSlack {
		t.Errorf("a call took %v, want at most its deadline of %v: %v", took, limit, err)
	}
	for {
		longest := r.longest.Load()
		if int64(took) <= longest || r.longest.CompareAndSwap(longest, int64(took)) {
			break
		}
	}
	var e *kio.Error
	var answer *kerr.Error
	if err != nil && !errors.As(err, &e) && !errors.As(err, &answer) {
		t.Errorf("error %v is a %T, want a *kio.Error or what the broker has answered", err, err)
	}
	return err
}

// read follows a partition from its beginning, through whoever leads it.
func (r *rolling) read(t *testing.T, partition int32) {
	for !r.stop.Load() {
		var raw []byte
		err := r.call(t, rollingLimit, func(ctx context.Context) error {
			node, err := r.cluster.Leader(ctx, r.topic.Name, partition)
			if err != nil {
				return err
			}
			raw, err = topic.Batches(r.cluster.RequestTo(ctx, node, r.topic.Fetch(partition, int64(len(r.seen[partition])), 1<<20)))
			return err
		})
		if err != nil {
			<-time.After(20 * time.Millisecond) // between two attempts
			continue
		}
		got, err := topic.ReadBatches(raw)
		if err != nil {
			t.Errorf("partition %d: %v", partition, err)
			return
		}
		for _, f := range got {
			next := int64(len(r.seen[partition]))
			if f.Offset < next { // a fetch gives whole batches
				continue
			}
			if f.Offset > next {
				t.Errorf("partition %d: offset %d follows on %d", partition, f.Offset, next-1)
				return
			}
			r.seen[partition] = append(r.seen[partition], numberOf(f.Key))
		}
	}
}

// metadata asks any node for the topic.
func (r *rolling) metadata(t *testing.T) (partitions []kmsg.MetadataResponseTopicPartition, err error) {
	err = r.call(t, rollingLimit, func(ctx context.Context) error {
		m, err := r.topic.Metadata().RequestWith(ctx, r.cluster)
		if err != nil {
			return err
		}
		partitions = m.Topics[0].Partitions
		return kerr.ErrorForCode(m.Topics[0].ErrorCode)
	})
	return partitions, err
}

// epochs are those of the partitions' leaders: each election counts one.
func (r *rolling) epochs(t *testing.T) map[int32]int32 {
	t.Helper()
	epochs := make(map[int32]int32)
	eventually(t, "the topic is known", restartLimit, func() bool {
		partitions, err := r.metadata(t)
		for _, p := range partitions {
			epochs[p.Partition] = p.LeaderEpoch
		}
		return err == nil && len(epochs) == rollingPartitions
	})
	return epochs
}

// restartAll ends each node and starts it again, as an operator does who must not lose anything: the next one follows when all replicas are in sync again. Leaders
// are sent home before it, so that each node has some to lose.
func (r *rolling) restartAll(t *testing.T, end func(*cluster.State, context.Context, int32) error) {
	t.Helper()
	for i := range state.Nodes {
		id := state.Nodes[i].ID
		acked := r.records.acknowledged()
		eventually(t, "records are acknowledged", restartLimit, func() bool { return r.records.acknowledged() >= acked+enough/rollingBatch })
		began := time.Now()
		if err := end(state, t.Context(), id); err != nil {
			t.Fatal(err)
		}
		down := time.Now()
		if err := state.Start(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		up := time.Now()
		r.awaitInSync(t)
		r.sendLeadersHome(t)
		t.Logf("node %d: ended in %v, answers after %v, in sync and leading after %v", id, tenths(down.Sub(began)), tenths(up.Sub(down)), tenths(time.Since(up)))
	}
}

func tenths(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }

// awaitInSync waits until each partition has a leader and all its replicas.
func (r *rolling) awaitInSync(t *testing.T) {
	t.Helper()
	eventually(t, "all replicas are in sync", restartLimit, func() bool {
		partitions, err := r.metadata(t)
		return err == nil && len(partitions) == rollingPartitions && !slices.ContainsFunc(partitions, func(p kmsg.MetadataResponseTopicPartition) bool {
			return p.Leader < 0 || len(p.ISR) != int(replicas())
		})
	})
}

// sendLeadersHome has each partition led by the first of its replicas, and waits until all nodes say so.
func (r *rolling) sendLeadersHome(t *testing.T) {
	t.Helper()
	partitions := kmsg.NewElectLeadersRequestTopic()
	partitions.Topic = r.topic.Name
	for p := range int32(rollingPartitions) {
		partitions.Partitions = append(partitions.Partitions, p)
	}
	elect := kmsg.NewPtrElectLeadersRequest()
	elect.TimeoutMillis, elect.Topics = int32(rollingLimit.Milliseconds()), append(elect.Topics, partitions)
	eventually(t, "leaders are where they belong", restartLimit, func() bool {
		err := r.call(t, rollingLimit, func(ctx context.Context) error {
			_, err := elect.RequestWith(ctx, r.cluster)
			return err
		})
		if err != nil {
			return false
		}
		led, err := r.metadata(t)
		return err == nil && !slices.ContainsFunc(led, func(p kmsg.MetadataResponseTopicPartition) bool { return p.Leader != p.Replicas[0] })
	})
}

// told sums up what callers were told.
func (r *rolling) told(t *testing.T) string {
	t.Helper()
	s := r.cluster.Stats()
	return r.records.String() + "; the longest call took " + time.Duration(r.longest.Load()).Round(time.Millisecond).String() +
		"; the Cluster sent again " + strconv.FormatUint(s.Resent, 10) + ", asked for metadata " + strconv.FormatUint(s.Refreshes, 10) +
		" times (in vain " + strconv.FormatUint(s.RefreshErrors, 10) + "), connected " + strconv.FormatUint(s.Dials, 10) + " times (in vain " +
		strconv.FormatUint(s.DialErrors, 10) + ")"
}

// check compares what callers were told with what the brokers have, which a new Cluster reads by the last of the nodes.
func (r *rolling) check(t *testing.T) {
	t.Helper()
	addr, cfg := r.door.enter(t, r.cfg)
	if last := state.Nodes[len(state.Nodes)-1].Listeners[r.door.listener]; last != "" {
		addr = last
	}
	c, err := kio.OpenCluster(t.Context(), []string{addr}, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), restartLimit)
	defer cancel()
	there := make(map[int64]place)
	complain := complaints{t: t}
	for p := range int32(rollingPartitions) {
		// What is acknowledged by all replicas can be read by all, and so can all that is before it.
		eventually(t, "a last record is acknowledged", restartLimit, func() bool {
			_, _, err := r.attempt(t, c, p, rollingLimit, topic.Batch([]kmsg.Record{{Key: []byte("last")}}))
			return err == nil
		})
		got, err := r.topic.ReadAll(ctx, c.To(leaderOf(t, c, r.topic, p)), p)
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range got {
			n := numberOf(f.Key)
			if i < len(r.seen[p]) && r.seen[p][i] != n {
				complain.addf("partition %d: record %d is at offset %d, and a reader has seen %d there", p, n, i, r.seen[p][i])
			}
			if n < 0 {
				continue
			}
			if string(f.Value) != valueOf(n) {
				complain.addf("record %d has the value %q, want %q", n, f.Value, valueOf(n))
			}
			if first, twice := there[n]; twice {
				complain.addf("record %d is there twice: %+v and %+v", n, first, place{p, f.Offset})
			}
			there[n] = place{p, f.Offset}
		}
		if len(got) < len(r.seen[p]) {
			complain.addf("partition %d has %d records, and a reader has seen %d", p, len(got), len(r.seen[p]))
		}
	}
	r.records.compare(t, &complain, there)
}
