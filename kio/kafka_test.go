package kio_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

// fakeKafka starts an in-process cluster of one broker with a topic of one partition, and gives the broker's address.
func fakeKafka(t *testing.T, topic string) (*kfake.Cluster, string) {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topic))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, c.ListenAddrs()[0]
}

func mustDialBroker(t *testing.T, addr string, cfg kio.Config) *kio.Broker {
	t.Helper()
	b, err := kio.DialBroker(t.Context(), addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// topicID asks for the id by which newer requests name a topic.
func topicID(t *testing.T, b *kio.Broker, topic string) [16]byte {
	t.Helper()
	r := kmsg.NewPtrMetadataRequest()
	r.SetVersion(12)
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &topic
	r.Topics = append(r.Topics, rt)
	m, err := r.RequestWith(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Topics) != 1 || m.Topics[0].ErrorCode != 0 {
		t.Fatalf("metadata of %s: %+v", topic, m.Topics)
	}
	return m.Topics[0].TopicID
}

// batchOf makes a record batch of version 2 (protocol guide, "Record Batch").
func batchOf(values [][]byte) []byte {
	var records []byte
	for i, v := range values {
		record := kmsg.Record{OffsetDelta: int32(i), Value: v}
		body := record.AppendTo(nil)[1:] // without the varint of the length, which is 0 and one byte long
		records = binary.AppendVarint(records, int64(len(body)))
		records = append(records, body...)
	}
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1,
		Magic:                2,
		LastOffsetDelta:      int32(len(values) - 1),
		ProducerID:           -1,
		ProducerEpoch:        -1,
		FirstSequence:        -1,
		NumRecords:           int32(len(values)),
		Records:              records,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[8:], uint32(len(raw)-12))
	binary.BigEndian.PutUint32(raw[17:], crc32.Checksum(raw[21:], crc32.MakeTable(crc32.Castagnoli)))
	return raw
}

func produceOf(topic string, values [][]byte, acks int16) *kmsg.ProduceRequest {
	r := kmsg.NewPtrProduceRequest()
	r.SetVersion(9)
	r.Acks = acks
	r.TimeoutMillis = 5000
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = batchOf(values)
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic = topic
	rt.Partitions = append(rt.Partitions, p)
	r.Topics = append(r.Topics, rt)
	return r
}

// fetchAll reads the values of a partition from its beginning.
func fetchAll(t *testing.T, b *kio.Broker, topic string, want int) [][]byte {
	t.Helper()
	var values [][]byte
	for offset := int64(0); len(values) < want; {
		r := kmsg.NewPtrFetchRequest()
		r.SetVersion(12)
		r.ReplicaID = -1
		r.MaxWaitMillis = 100
		r.MinBytes = 1
		r.MaxBytes = 1 << 20
		p := kmsg.NewFetchRequestTopicPartition()
		p.FetchOffset = offset
		p.CurrentLeaderEpoch = -1
		p.PartitionMaxBytes = 1 << 20
		rt := kmsg.NewFetchRequestTopic()
		rt.Topic = topic
		rt.Partitions = append(rt.Partitions, p)
		r.Topics = append(r.Topics, rt)
		resp, err := r.RequestWith(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		part := resp.Topics[0].Partitions[0]
		if part.ErrorCode != 0 || len(part.RecordBatches) == 0 {
			t.Fatalf("fetch at offset %d: error code %d, %d bytes", offset, part.ErrorCode, len(part.RecordBatches))
		}
		for raw := part.RecordBatches; len(raw) > 0; {
			n := 12 + int(binary.BigEndian.Uint32(raw[8:]))
			if n > len(raw) {
				break // a batch cut by MaxBytes comes again
			}
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(raw[:n]); err != nil {
				t.Fatal(err)
			}
			records := batch.Records
			for range batch.NumRecords {
				length, w := binary.Varint(records)
				var record kmsg.Record
				if err := record.ReadFrom(records[:w+int(length)]); err != nil {
					t.Fatal(err)
				}
				values = append(values, record.Value)
				records = records[w+int(length):]
			}
			offset = batch.FirstOffset + int64(batch.NumRecords)
			raw = raw[n:]
		}
	}
	return values
}

func TestTenThousandRecordsComeBackAsTheyWereProduced(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		const topic, total, perBatch = "records", 10_000, 50
		_, addr := fakeKafka(t, topic)
		b := mustDialBroker(t, addr, cfg)
		_ = topicID(t, b, topic)
		var want [][]byte
		for len(want) < total {
			var values [][]byte
			for range perBatch {
				i := len(want)
				v := bytes.Repeat(fmt.Appendf(nil, "record %d ", i), 1+i%20)
				values, want = append(values, v), append(want, v)
			}
			resp, err := produceOf(topic, values, -1).RequestWith(t.Context(), b)
			if err != nil {
				t.Fatal(err)
			}
			if code := resp.Topics[0].Partitions[0].ErrorCode; code != 0 {
				t.Fatalf("produce: error code %d", code)
			}
		}
		got := fetchAll(t, b, topic, total)
		if len(got) != total {
			t.Fatalf("%d records came back, want %d", len(got), total)
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("record %d is %q, want %q", i, got[i], want[i])
			}
		}
	})
}

func TestProduceWithoutAcknowledgementHasNoAnswer(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		const topic = "unacknowledged"
		_, addr := fakeKafka(t, topic)
		b := mustDialBroker(t, addr, cfg)
		for i := range 10 {
			resp, err := produceOf(topic, [][]byte{fmt.Appendf(nil, "%d", i)}, 0).RequestWith(t.Context(), b)
			if err != nil || resp == nil {
				t.Fatalf("acks=0: %v, %v", resp, err)
			}
		}
		if got := fetchAll(t, b, topic, 10); len(got) != 10 || string(got[9]) != "9" {
			t.Errorf("%d records came back, want 10 in order", len(got))
		}
		if s := b.Stats(); s.OneWay != 10 {
			t.Errorf("Stats = %+v, want 10 one-way requests", s)
		}
	})
}

// TestSixtyFourCallersOnOneConnectionGetTheirOwnAnswers asks a real broker for topics that are each caller's own.
func TestSixtyFourCallersOnOneConnectionGetTheirOwnAnswers(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		topics := make([]string, 64)
		for i := range topics {
			topics[i] = fmt.Sprintf("topic-%d", i)
		}
		c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, topics...))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		b := mustDialBroker(t, c.ListenAddrs()[0], cfg)
		var wg sync.WaitGroup
		for _, topic := range topics {
			wg.Go(func() {
				for range 30 {
					r := kmsg.NewPtrMetadataRequest()
					r.SetVersion(9)
					rt := kmsg.NewMetadataRequestTopic()
					rt.Topic = &topic
					r.Topics = append(r.Topics, rt)
					m, err := r.RequestWith(t.Context(), b)
					if err != nil {
						t.Error(err)
						return
					}
					if len(m.Topics) != 1 || m.Topics[0].Topic == nil || *m.Topics[0].Topic != topic {
						t.Errorf("asked for %s, was told of %+v", topic, m.Topics)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// TestABrokerKilledUnderLoadEndsEveryCallInTime: and each error says whether a retry is safe, truly: what is said to be unsent never arrived.
func TestABrokerKilledUnderLoadEndsEveryCallInTime(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c, addr := fakeKafka(t, "load")
		var arrived sync.Map
		c.ControlKey(int16(kmsg.Metadata), func(r kmsg.Request) (kmsg.Response, error, bool) {
			c.KeepControl()
			for _, rt := range r.(*kmsg.MetadataRequest).Topics {
				arrived.Store(*rt.Topic, true)
			}
			return nil, nil, false
		})
		cfg.Timeout = 2 * time.Second
		var brokers []*kio.Broker
		for range 4 {
			brokers = append(brokers, mustDialBroker(t, addr, cfg))
		}
		var answered, failed, safe atomic.Int64
		var wg sync.WaitGroup
		for ci, b := range brokers {
			for g := range 16 {
				wg.Go(func() {
					for i := 0; ; i++ {
						topic := fmt.Sprintf("load-%d-%d-%d", ci, g, i)
						r := kmsg.NewPtrMetadataRequest()
						r.SetVersion(9)
						rt := kmsg.NewMetadataRequestTopic()
						rt.Topic = &topic
						r.Topics = append(r.Topics, rt)
						began := time.Now()
						_, err := r.RequestWith(t.Context(), b)
						if took := time.Since(began); took > cfg.Timeout+3*time.Second {
							t.Errorf("a call took %v with a timeout of %v", took, cfg.Timeout)
						}
						if err == nil {
							answered.Add(1)
							continue
						}
						failed.Add(1)
						e := asError(t, err)
						if e.SafeToRetry() {
							safe.Add(1)
							if _, ok := arrived.Load(topic); ok {
								t.Errorf("%v: said to be safe to retry, but it arrived", err)
							}
						}
						if b.Err() != nil {
							return
						}
					}
				})
			}
		}
		eventually(t, "load", func() bool { return answered.Load() > 500 })
		c.Close()
		wg.Wait()
		if failed.Load() == 0 {
			t.Error("no call failed")
		}
		for _, b := range brokers {
			if err := b.Err(); err == nil || !asError(t, err).SafeToRetry() {
				t.Errorf("Err = %v, want an error that is safe to retry", err)
			}
			if s := b.Stats(); s.InFlight != 0 || s.Waiting != 0 {
				t.Errorf("Stats = %+v, want nothing in flight", s)
			}
		}
		t.Logf("%d answered, %d failed, of these %d safe to retry", answered.Load(), failed.Load(), safe.Load())
	})
}

func TestRequestRefusesWhatItCannotSend(t *testing.T) {
	cfg := config(t)
	_, addr := fakeKafka(t, "x")
	b := mustDialBroker(t, addr, cfg)
	if _, err := b.Request(t.Context(), nil); asError(t, err).Code != kio.CodeInvalidArgument {
		t.Errorf("nil request: %v", err)
	}
	r := kmsg.NewPtrApiVersionsRequest()
	r.SetVersion(99)
	if _, err := b.Request(t.Context(), r); asError(t, err).Code != kio.CodeInvalidArgument {
		t.Errorf("version 99: %v", err)
	}
}

func TestShutdownAndCloseOfABroker(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		_, addr := fakeKafka(t, "x")
		b := mustDialBroker(t, addr, cfg)
		if _, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if err := b.Err(); err != nil {
			t.Errorf("Err = %v, want nil", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if err := b.Shutdown(ctx); err != nil {
			t.Fatal(err)
		}
		<-b.Done()
		_, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), b)
		if e := asError(t, err); e.Code != kio.CodeNoConnection || !e.SafeToRetry() || !errors.Is(err, net.ErrClosed) {
			t.Errorf("after Shutdown: %v", err)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}
