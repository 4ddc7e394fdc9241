package workload_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/internal/workload"
)

// goldenBatch was put together from the format's documentation by another program, with a CRC-32C computed bit by bit.
const goldenBatch = "" +
	"0000000000000000" + // first offset
	"00000044" + // length of what follows
	"ffffffff" + // leader epoch
	"02" + // magic
	"b89a408c" + // CRC-32C of what follows
	"0000" + "00000001" + // attributes, last offset delta
	"0000018bcfe56800" + "0000018bcfe56800" + // first and last time
	"ffffffffffffffff" + "ffff" + "ffffffff" + // producer id, epoch, first sequence
	"00000002" + // records
	"16" + "00" + "00" + "00" + "01" + "0a" + "6b61666b61" + "00" + // length 11, attributes, deltas 0 and 0, no key, "kafka", no headers
	"0c" + "00" + "00" + "02" + "01" + "00" + "00" // length 6, offset delta 1, value ""

func TestRecordBatchIsGolden(t *testing.T) {
	got := hex.EncodeToString(workload.RecordBatch(time.UnixMilli(1_700_000_000_000), []byte("kafka"), []byte{}))
	if got != goldenBatch {
		t.Errorf("batch\n got %s\nwant %s", got, goldenBatch)
	}
}

func TestRecordBatchComesBackFromABroker(t *testing.T) {
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "batches"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := kio.DialBroker(ctx, cluster.ListenAddrs()[0], kio.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()

	values := [][]byte{[]byte("one"), {}, bytes.Repeat([]byte{0xab}, 200), bytes.Repeat([]byte("long"), 5000)}
	batch := workload.RecordBatch(time.Now(), values...)
	produce := kmsg.NewPtrProduceRequest()
	produce.SetVersion(9)
	produce.Acks, produce.TimeoutMillis = -1, 1000
	produce.Topics = []kmsg.ProduceRequestTopic{{Topic: "batches", Partitions: []kmsg.ProduceRequestTopicPartition{{Records: batch}}}}
	produced, err := produce.RequestWith(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	if p := produced.Topics[0].Partitions[0]; p.ErrorCode != 0 {
		t.Fatalf("produce: code %d", p.ErrorCode)
	}

	fetch := kmsg.NewPtrFetchRequest()
	fetch.SetVersion(12)
	fetch.ReplicaID, fetch.SessionEpoch, fetch.MaxBytes = -1, -1, 1<<20
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes, p.CurrentLeaderEpoch = 1<<20, -1
	fetch.Topics = []kmsg.FetchRequestTopic{{Topic: "batches", Partitions: []kmsg.FetchRequestTopicPartition{p}}}
	fetched, err := fetch.RequestWith(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	var back kmsg.RecordBatch
	if err := back.ReadFrom(fetched.Topics[0].Partitions[0].RecordBatches); err != nil {
		t.Fatal(err)
	}
	if back.NumRecords != int32(len(values)) {
		t.Fatalf("%d records came back, want %d", back.NumRecords, len(values))
	}
	rest := back.Records
	for i, want := range values {
		var r kmsg.Record
		if err := r.ReadFrom(rest); err != nil {
			t.Fatalf("record %d: %v", i, err)
		}
		if !bytes.Equal(r.Value, want) || r.OffsetDelta != int32(i) {
			t.Errorf("record %d: offset delta %d and %d bytes; want %d bytes as produced", i, r.OffsetDelta, len(r.Value), len(want))
		}
		rest = rest[len(r.AppendTo(nil)):]
	}
	if len(rest) != 0 {
		t.Errorf("%d bytes are left after the last record, want none", len(rest))
	}
}
