package workload

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Where the fields that depend on the rest stand in a batch of the format with magic 2
// (https://kafka.apache.org/documentation/#recordbatch): first offset 8, length 4, leader epoch 4, magic 1, CRC 4, attributes 2, …
const (
	batchLengthAt  = 8  // the length counts what follows it
	batchLengthEnd = 12 // …
	batchCRCAt     = 17 // the checksum covers what follows it
	batchCRCEnd    = 21
	batchMagic     = 2
	noProducer     = -1
	uncompressed   = 0
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// RecordBatch encodes records with these values and no keys, all of one time, as an uncompressed batch without a producer id.
func RecordBatch(at time.Time, values ...[]byte) []byte {
	var records []byte
	for i, v := range values {
		records = appendRecord(records, int32(i), v)
	}
	millis := at.UnixMilli()
	batch := kmsg.RecordBatch{
		PartitionLeaderEpoch: -1, // the broker fills it in
		Magic:                batchMagic,
		Attributes:           uncompressed,
		LastOffsetDelta:      int32(len(values) - 1),
		FirstTimestamp:       millis,
		MaxTimestamp:         millis,
		ProducerID:           noProducer,
		ProducerEpoch:        noProducer,
		FirstSequence:        noProducer,
		NumRecords:           int32(len(values)),
		Records:              records,
	}
	b := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(b[batchLengthAt:], uint32(len(b)-batchLengthEnd))
	binary.BigEndian.PutUint32(b[batchCRCAt:], crc32.Checksum(b[batchCRCEnd:], castagnoli))
	return b
}

// appendRecord appends one record. Its length stands first and is a varint, so the rest is encoded to be measured.
func appendRecord(dst []byte, offsetDelta int32, value []byte) []byte {
	r := kmsg.NewRecord()
	r.OffsetDelta = offsetDelta
	r.Value = value
	const zeroLengthBytes = 1 // of the varint 0, which stands where the length will
	r.Length = int32(len(r.AppendTo(nil)) - zeroLengthBytes)
	return r.AppendTo(dst)
}
