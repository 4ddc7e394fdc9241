package kio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// Error codes of topics and partitions (apache/kafka Errors.java).
const (
	unknownTopic       = 3
	leaderNotAvailable = 5
	topicAuthorization = 29
)

// topicTold is what a broker tells of a topic: a code, or so many partitions, all led by node 0, or without a leader where that is led by nobody.
type topicTold struct {
	code       int16
	partitions int
	leaderless bool
}

// toldBroker is the one node of a cluster. It tells one thing after the other of the topic that it is asked for, the last one from then on; after all of them it is
// silent, if that is said.
type toldBroker struct {
	told   []topicTold
	silent bool

	mu    sync.Mutex
	asked []time.Time // for a topic
}

func (b *toldBroker) listen(t *testing.T) string {
	t.Helper()
	done := make(chan struct{})
	addr := hostile.Listen(t, metadataAnswers(func(r *kmsg.MetadataRequest, host string, port int32) *kmsg.MetadataResponse {
		m := brokers(map[int32]string{0: host}, port)
		if len(r.Topics) == 0 {
			return m
		}
		b.mu.Lock()
		n := len(b.asked)
		b.asked = append(b.asked, time.Now())
		b.mu.Unlock()
		if b.silent && n >= len(b.told) {
			<-done
			return nil
		}
		told := b.told[min(n, len(b.told)-1)]
		for _, topic := range r.Topics {
			at := kmsg.NewMetadataResponseTopic()
			at.Topic, at.ErrorCode = topic.Topic, told.code
			for partition := range int32(told.partitions) {
				p := kmsg.NewMetadataResponseTopicPartition()
				p.Partition = partition
				if told.leaderless {
					p.Leader, p.ErrorCode = -1, leaderNotAvailable
				}
				at.Partitions = append(at.Partitions, p)
			}
			m.Topics = append(m.Topics, at)
		}
		return m
	})).Addr()
	t.Cleanup(func() { close(done) }) // before the script is waited for
	return addr
}

// times are when it was asked for a topic.
func (b *toldBroker) times() []time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]time.Time(nil), b.asked...)
}

// withLeaderError is asError, and checks what the brokers have last told of partition 1 of the topic "new".
func withLeaderError(t *testing.T, err error, code int16) *kio.Error {
	t.Helper()
	e := withCode(t, err, kio.CodeNoConnection)
	var l *kio.LeaderError
	if !errors.As(err, &l) || l.Topic != "new" || l.Partition != 1 || l.Code != code {
		t.Errorf("error %v, want a *LeaderError of code %d", err, code)
	}
	if !e.SafeToRetry() {
		t.Errorf("error %v is not safe to retry", err)
	}
	return e
}

func TestLeaderWaitsForWhatItsBrokersHaveYetToHearOf(t *testing.T) {
	for name, told := range map[string][]topicTold{
		"a new topic":           {{code: unknownTopic}, {code: unknownTopic}, {code: leaderNotAvailable}, {partitions: 2, leaderless: true}, {partitions: 2}},
		"a topic not mentioned": {{}, {partitions: 2}},
		"a topic that grows":    {{partitions: 1}, {partitions: 1}, {partitions: 2}},
		"known and forgotten":   {{code: leaderNotAvailable}, {code: unknownTopic}, {partitions: 2}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			b := &toldBroker{told: told}
			c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
			if n, err := c.Leader(t.Context(), "new", 1); n != 0 || err != nil {
				t.Fatalf("leader %d, %v; want 0", n, err)
			}
			asked := b.times()
			if len(asked) != len(told) {
				t.Errorf("asked %d times, want %d", len(asked), len(told))
			}
			// A refresh begins 100 ms after the last one has ended; that one's answer may be late, the next question may be, too.
			if took := asked[len(asked)-1].Sub(asked[0]); took < time.Duration(len(told)-1)*90*time.Millisecond {
				t.Errorf("asked %d times within %v", len(asked), took)
			}
		})
	}
}

func TestManyWhoWaitForNewTopicsAskTogether(t *testing.T) {
	cfg := config(t)
	b := &toldBroker{told: []topicTold{{code: unknownTopic}, {code: unknownTopic}, {code: unknownTopic}, {partitions: 2}}}
	c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
	var callers sync.WaitGroup
	for i := range 64 {
		callers.Go(func() {
			if _, err := c.Leader(t.Context(), "new"+strings.Repeat("x", i%8), 1); err != nil {
				t.Error(err)
			}
		})
	}
	callers.Wait()
	asked := b.times()
	if took := asked[len(asked)-1].Sub(asked[0]); took < time.Duration(len(asked)-1)*90*time.Millisecond {
		t.Errorf("asked %d times within %v", len(asked), took)
	}
}

func TestATopicThatIsNotThereKeepsNobodyForLong(t *testing.T) {
	for name, told := range map[string]topicTold{
		"no topic":     {code: unknownTopic},
		"no partition": {partitions: 1},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			cfg.Timeout = time.Hour // without a deadline of its own
			cfg.DialTimeout = patience
			cfg.Cluster.UnknownTopicWait = 500 * time.Millisecond
			b := &toldBroker{told: []topicTold{told}}
			c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
			began := time.Now()
			_, err := c.Leader(context.Background(), "new", 1)
			took := time.Since(began)
			if e := withLeaderError(t, err, unknownTopic); e.Timeout() || e.Elapsed <= 0 || e.Elapsed > took {
				t.Errorf("error %#v after %v: no deadline has passed", e, took)
			}
			if took < 300*time.Millisecond || took > patience/2 {
				t.Errorf("it took %v, want about 500 ms", took)
			}
			if n := len(b.times()); n < 2 || n > 6 {
				t.Errorf("asked %d times, want some", n)
			}
		})
	}
}

func TestALeaderIsWaitedForUntilTheDeadline(t *testing.T) {
	cfg := config(t)
	cfg.Cluster.UnknownTopicWait = time.Millisecond // which is for topics that are not known
	cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Hour, time.Hour
	b := &toldBroker{told: []topicTold{{partitions: 2, leaderless: true}}}
	c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	began := time.Now()
	_, err := c.Leader(ctx, "new", 1)
	_ = withLeaderError(t, err, leaderNotAvailable)
	if took := time.Since(began); took < 800*time.Millisecond || took > patience/2 {
		t.Errorf("it took %v, want about a second: a back-off that is longer leaves time for another try", took)
	}
}

func TestLeaderTellsOfTheLastAnswerAndOfTheEnd(t *testing.T) {
	t.Run("a deadline", func(t *testing.T) {
		cfg := config(t)
		b := &toldBroker{told: []topicTold{{code: unknownTopic}}, silent: true}
		c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_, err := c.Leader(ctx, "new", 1)
		wantIs(t, err, os.ErrDeadlineExceeded, context.DeadlineExceeded)
		if e := withLeaderError(t, err, unknownTopic); !e.Timeout() {
			t.Errorf("error %v is no timeout", err)
		}
		if text := err.Error(); !strings.Contains(text, `topic "new"`) || !strings.Contains(text, "UNKNOWN_TOPIC_OR_PARTITION (3)") || !strings.Contains(text, "deadline") && !strings.Contains(text, "timeout") {
			t.Errorf("text %q", text)
		}
	})
	t.Run("a cancelled context", func(t *testing.T) {
		cfg := config(t)
		cfg.Cluster.Backoff, cfg.Cluster.MaxBackoff = time.Hour, time.Hour
		b := &toldBroker{told: []topicTold{{code: unknownTopic}}}
		c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			_, err := c.Leader(ctx, "new", 1)
			ended <- err
		}()
		eventually(t, "it has an answer", func() bool { return c.Stats().Refreshes == 2 })
		cancel()
		err := <-ended
		_ = withLeaderError(t, err, unknownTopic)
		wantIs(t, err, context.Canceled)
	})
	t.Run("Close", func(t *testing.T) {
		cfg := config(t)
		b := &toldBroker{told: []topicTold{{code: unknownTopic}}, silent: true}
		c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
		ended := make(chan error, 1)
		go func() {
			_, err := c.Leader(t.Context(), "new", 1)
			ended <- err
		}()
		eventually(t, "it has asked again", func() bool { return len(b.times()) == 2 })
		_ = c.Close()
		wantIs(t, <-ended, net.ErrClosed)
	})
}

func TestLeaderDoesNotWaitWhereNothingWillCome(t *testing.T) {
	for name, tt := range map[string]struct {
		told topicTold
		set  func(c *kio.ClusterConfig)
	}{
		"a topic that one may not see": {topicTold{code: topicAuthorization}, func(*kio.ClusterConfig) {}},
		"no waiting for topics":        {topicTold{code: unknownTopic}, func(c *kio.ClusterConfig) { c.UnknownTopicWait = -1 }},
		"no waiting at all":            {topicTold{code: leaderNotAvailable}, func(c *kio.ClusterConfig) { c.NoResend = true }},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := config(t)
			tt.set(&cfg.Cluster)
			b := &toldBroker{told: []topicTold{tt.told}}
			c := mustOpenCluster(t, []string{b.listen(t)}, cfg)
			_, err := c.Leader(t.Context(), "new", 1)
			_ = withLeaderError(t, err, tt.told.code)
			if n := len(b.times()); n != 1 {
				t.Errorf("asked %d times, want once", n)
			}
		})
	}
}
