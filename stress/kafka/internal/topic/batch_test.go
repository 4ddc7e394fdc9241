package topic_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/kafka/internal/topic"
)

func records(n int) []kmsg.Record {
	all := make([]kmsg.Record, n)
	for i := range all {
		all[i] = kmsg.Record{
			Key: fmt.Appendf(nil, "key %d", i), Value: bytes.Repeat([]byte{byte(i)}, i),
			Headers: []kmsg.Header{{Key: "h", Value: []byte{1, 2}}},
		}
	}
	return all
}

func TestBatchesAreReadAsTheyWereWritten(t *testing.T) {
	raw := append(topic.Batch(records(3)), topic.Batch(records(200))...)
	got, err := topic.ReadBatches(raw)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 203 {
		t.Fatalf("%d records, want 203", len(got))
	}
	for i, f := range got[3:] {
		want := records(200)[i]
		want.OffsetDelta = int32(i)
		if !bytes.Equal(f.Raw, topic.AppendRecord(nil, want)) || !bytes.Equal(f.Value, want.Value) || f.Offset != int64(i) {
			t.Errorf("record %d is %+v, want %+v", i, f, want)
		}
	}
}

func TestACutBatchIsLeftOut(t *testing.T) {
	one := topic.Batch(records(5))
	for n := range len(one) {
		got, err := topic.ReadBatches(append(one[:len(one):len(one)], one[:n]...))
		if err != nil || len(got) != 5 {
			t.Fatalf("cut after %d bytes: %d records, %v; want 5", n, len(got), err)
		}
	}
}

func TestAChangedByteIsSeen(t *testing.T) {
	raw := topic.Batch(records(5))
	raw[len(raw)-1] ^= 1
	if _, err := topic.ReadBatches(raw); err == nil || !strings.Contains(err.Error(), "checksum") {
		t.Errorf("error %v, want one of the checksum", err)
	}
}
