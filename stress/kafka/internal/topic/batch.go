package topic

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Where things are in a batch.
const (
	lengthAt   = 8
	afterLen   = 12
	checksumAt = 17
	afterSum   = 21
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Batch encodes records that are not empty into one batch, without compression. It is of now: a broker deletes what is older than its retention time.
func Batch(records []kmsg.Record) []byte {
	var body []byte
	for i, r := range records {
		r.OffsetDelta = int32(i)
		body = AppendRecord(body, r)
	}
	now := time.Now().UnixMilli()
	b := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1,
		Magic:                2,
		LastOffsetDelta:      int32(len(records) - 1),
		FirstTimestamp:       now,
		MaxTimestamp:         now,
		ProducerID:           -1,
		ProducerEpoch:        -1,
		FirstSequence:        -1,
		NumRecords:           int32(len(records)),
		Records:              body,
	}
	raw := b.AppendTo(nil)
	binary.BigEndian.PutUint32(raw[lengthAt:], uint32(len(raw)-afterLen))
	binary.BigEndian.PutUint32(raw[checksumAt:], crc32.Checksum(raw[afterSum:], castagnoli))
	return raw
}

// AppendRecord appends a record with its length before it.
func AppendRecord(dst []byte, r kmsg.Record) []byte {
	r.Length = 0                // as a varint one byte, which is cut off again
	body := r.AppendTo(nil)[1:] // the length is known only now
	dst = binary.AppendVarint(dst, int64(len(body)))
	return append(dst, body...)
}

// Fetched is one record as the broker keeps it.
type Fetched struct {
	Offset int64
	Raw    []byte // with its length, as AppendRecord makes it
	kmsg.Record
}

// ReadBatches decodes the batches of a fetch and checks their sums. A fetch may end in the middle of a batch, which is left out.
func ReadBatches(raw []byte) ([]Fetched, error) {
	var all []Fetched
	for len(raw) >= afterSum {
		n := int64(afterLen) + int64(int32(binary.BigEndian.Uint32(raw[lengthAt:])))
		if n < afterSum {
			return nil, fmt.Errorf("a batch of %d bytes", n)
		}
		if n > int64(len(raw)) {
			break
		}
		got, err := readBatch(raw[:n])
		if err != nil {
			return nil, err
		}
		all = append(all, got...)
		raw = raw[n:]
	}
	return all, nil
}

func readBatch(raw []byte) ([]Fetched, error) {
	if want, got := binary.BigEndian.Uint32(raw[checksumAt:]), crc32.Checksum(raw[afterSum:], castagnoli); want != got {
		return nil, fmt.Errorf("a batch whose checksum is %08x says that it is %08x", got, want)
	}
	var b kmsg.RecordBatch
	if err := b.ReadFrom(raw); err != nil {
		return nil, err
	}
	if b.Magic != 2 || b.Attributes&7 != 0 {
		return nil, fmt.Errorf("a batch of version %d with attributes %x, want version 2 and no compression", b.Magic, b.Attributes)
	}
	var all []Fetched
	left := b.Records
	for range b.NumRecords {
		length, w := binary.Varint(left)
		if w <= 0 || length < 0 || length > int64(len(left)-w) {
			return nil, errors.New("a record that does not fit into its batch")
		}
		f := Fetched{Raw: left[:w+int(length)]}
		if err := f.ReadFrom(f.Raw); err != nil {
			return nil, err
		}
		f.Offset = b.FirstOffset + int64(f.OffsetDelta)
		all = append(all, f)
		left = left[len(f.Raw):]
	}
	if len(left) > 0 {
		return nil, fmt.Errorf("%d bytes after the last record of a batch", len(left))
	}
	return all, nil
}
