package suite_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/topic"
)

// record is the i-th of a test: sizes from a few bytes to half a KiB, every byte value, keys and headers that are there or not.
func record(i int) kmsg.Record {
	value := make([]byte, (i*37)%512)
	for j := range value {
		value[j] = byte(i + j*j)
	}
	r := kmsg.Record{Value: value}
	if i%3 != 0 {
		r.Key = fmt.Appendf(nil, "key %d", i)
	}
	if i%5 == 0 {
		r.Headers = []kmsg.Header{{Key: "number", Value: fmt.Append(nil, i)}, {Key: "empty"}}
	}
	return r
}

// TestAHundredThousandRecordsComeBackAsTheyWereProduced compares what the broker gives back with what was sent: each record byte for byte, and each
// batch by its checksum.
func TestAHundredThousandRecordsComeBackAsTheyWereProduced(t *testing.T) {
	const total, perBatch = 100_000, 500
	throughDoors(t, mainDoors, func(t *testing.T, d door, cfg kio.Config) {
		made := newTopic(t, d, cfg, topic.Layout{Replicas: replicas()})
		b := leader(t, d, cfg, made)
		began := time.Now()
		for first := 0; first < total; first += perBatch {
			records := make([]kmsg.Record, perBatch)
			for i := range records {
				records[i] = record(first + i)
			}
			offset, err := topic.Produced(b.Request(t.Context(), made.Produce(0, topic.Batch(records))))
			if err != nil {
				t.Fatalf("produce from record %d: %v", first, err)
			}
			if offset != int64(first) {
				t.Fatalf("record %d went to offset %d", first, offset)
			}
		}
		produced := time.Since(began)
		got, err := made.ReadAll(t.Context(), b, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != total {
			t.Fatalf("%d records came back, want %d", len(got), total)
		}
		var want []byte
		size := 0
		for i, f := range got {
			r := record(i)
			r.OffsetDelta = int32(i % perBatch)
			want = topic.AppendRecord(want[:0], r)
			if f.Offset != int64(i) || !bytes.Equal(f.Raw, want) {
				t.Fatalf("record %d came back at offset %d as %x, want %x", i, f.Offset, f.Raw, want)
			}
			size += len(want)
		}
		t.Logf("%d records, %d bytes: produced in %v, fetched in %v", total, size, produced.Round(time.Millisecond), (time.Since(began) - produced).Round(time.Millisecond))
	})
}
