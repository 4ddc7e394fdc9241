package responder

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// API keys and error codes of the protocol guide that this package has to
// know by number.
const (
	keyProduce     = int16(kmsg.Produce)
	keyApiVersions = int16(kmsg.ApiVersions)

	codeUnsupportedVersion = 35
)

// serve lists the APIs that are answered, each with the newest version. The
// limits are those of kmsg except where the comment says otherwise.
var serve = []struct {
	key kmsg.Key
	max int16 // -1: what kmsg knows
}{
	{kmsg.Produce, -1},
	{kmsg.Fetch, -1},
	{kmsg.Metadata, -1},
	{kmsg.FindCoordinator, 3}, // from v4 on the answer echoes the keys asked for
	{kmsg.Heartbeat, -1},
	{kmsg.ApiVersions, 4},
	{kmsg.InitProducerID, -1},
}

// topicID is the ID of the only topic, for the versions that name topics by
// one.
var topicID = [16]byte{0x6b, 0x61, 0x66, 0x6b, 0x61, 0x69, 0x6f, 0x2d, 0x73, 0x74, 0x72, 0x65, 0x73, 0x73, 0x00, 0x01}

// table holds an answer for each key and version served: size prefix,
// response header with a correlation id of 0, body. A loop has a table of its
// own because large answers are stamped in place.
type table struct {
	byKey [][][]byte // key, version; nil where there is none

	// unsupported answers an ApiVersions request of a version not served.
	unsupported []byte

	withhold []int16 // immutable; keys that are left without an answer
}

// find returns the answer of a key and version, or nil.
func (t *table) find(key, version int16) []byte {
	if uint(key) < uint(len(t.byKey)) {
		if versions := t.byKey[key]; uint(version) < uint(len(versions)) {
			return versions[version]
		}
	}
	if key == keyApiVersions && version >= 0 {
		return t.unsupported
	}
	return nil
}

// clone returns a deep copy.
func (t *table) clone() *table {
	c := &table{byKey: make([][][]byte, len(t.byKey)), withhold: t.withhold}
	for k, versions := range t.byKey {
		for _, a := range versions {
			c.byKey[k] = append(c.byKey[k], append([]byte(nil), a...))
		}
	}
	c.unsupported = append([]byte(nil), t.unsupported...)
	return c
}

// newTable encodes every answer for a configuration with its defaults filled.
func newTable(cfg Config, brokers []hostPort) *table {
	t := &table{withhold: cfg.Withhold}
	for _, s := range serve {
		last := s.max
		if last < 0 {
			last = kmsg.RequestForKey(int16(s.key)).MaxVersion()
		}
		versions := make([][]byte, last+1)
		for v := range versions {
			r := kmsg.ResponseForKey(int16(s.key))
			r.SetVersion(int16(v))
			fill(r, cfg, brokers)
			versions[v] = encode(r)
		}
		for len(t.byKey) <= int(s.key) {
			t.byKey = append(t.byKey, nil)
		}
		t.byKey[s.key] = versions
	}
	r := kmsg.NewPtrApiVersionsResponse()
	fill(r, cfg, brokers)
	r.ErrorCode = codeUnsupportedVersion
	t.unsupported = encode(r)
	return t
}

// encode returns an answer with its size prefix and header. The header is v1
// where the body is flexible, but always v0 for ApiVersions: a client reads
// that one before it knows what the broker speaks (KIP-511).
func encode(r kmsg.Response) []byte {
	b := make([]byte, 8, 256)
	if r.IsFlexible() && r.Key() != keyApiVersions {
		b = append(b, 0) // no header tags
	}
	b = r.AppendTo(b)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

// fill completes an empty response.
func fill(r kmsg.Response, cfg Config, brokers []hostPort) {
	if t, ok := r.(kmsg.SetThrottleResponse); ok {
		t.SetThrottle(cfg.ThrottleMillis)
	}
	switch r := r.(type) {
	case *kmsg.ApiVersionsResponse:
		fillApiVersions(r)
	case *kmsg.MetadataResponse:
		fillMetadata(r, cfg, brokers)
	case *kmsg.ProduceResponse:
		fillProduce(r, cfg)
	case *kmsg.FetchResponse:
		fillFetch(r, cfg)
	case *kmsg.InitProducerIDResponse:
		r.ProducerID, r.ProducerEpoch = 1, 0
	case *kmsg.FindCoordinatorResponse:
		r.NodeID, r.Host, r.Port = 0, brokers[0].host, brokers[0].port
	}
}

func fillApiVersions(r *kmsg.ApiVersionsResponse) {
	for _, s := range serve {
		k := kmsg.NewApiVersionsResponseApiKey()
		k.ApiKey, k.MaxVersion = int16(s.key), s.max
		if s.max < 0 {
			k.MaxVersion = kmsg.RequestForKey(int16(s.key)).MaxVersion()
		}
		r.ApiKeys = append(r.ApiKeys, k)
	}
}

func fillMetadata(r *kmsg.MetadataResponse, cfg Config, brokers []hostPort) {
	r.ClusterID = kmsg.StringPtr("responder")
	r.ControllerID = 0
	for i, hp := range brokers {
		b := kmsg.NewMetadataResponseBroker()
		b.NodeID, b.Host, b.Port = int32(i), hp.host, hp.port
		r.Brokers = append(r.Brokers, b)
	}
	t := kmsg.NewMetadataResponseTopic()
	t.Topic, t.TopicID = kmsg.StringPtr(cfg.Topic), topicID
	for p := range cfg.Partitions {
		leader := p % int32(len(brokers))
		mp := kmsg.NewMetadataResponseTopicPartition()
		mp.Partition, mp.Leader, mp.LeaderEpoch = p, leader, 0
		mp.Replicas, mp.ISR = []int32{leader}, []int32{leader}
		t.Partitions = append(t.Partitions, mp)
	}
	r.Topics = append(r.Topics, t)
}

func fillProduce(r *kmsg.ProduceResponse, cfg Config) {
	t := kmsg.NewProduceResponseTopic()
	t.Topic, t.TopicID = cfg.Topic, topicID
	for p := range cfg.Partitions {
		pp := kmsg.NewProduceResponseTopicPartition()
		pp.Partition = p
		t.Partitions = append(t.Partitions, pp)
	}
	r.Topics = append(r.Topics, t)
}

func fillFetch(r *kmsg.FetchResponse, cfg Config) {
	p := kmsg.NewFetchResponseTopicPartition()
	p.RecordBatches = []byte{}
	if cfg.FetchBytes > 0 {
		p.RecordBatches = recordBatch(cfg.FetchBytes)
		p.HighWatermark, p.LastStableOffset = 1, 1
	}
	t := kmsg.NewFetchResponseTopic()
	t.Topic, t.TopicID = cfg.Topic, topicID
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
}

// recordBatch returns one valid v2 batch of size bytes with one record in it,
// or of one or two bytes less where the varints of the two lengths in it make
// size itself impossible.
func recordBatch(size int) []byte {
	value := size
	for {
		b := encodeBatch(make([]byte, value))
		if len(b) <= size {
			return b
		}
		value -= len(b) - size
	}
}

// encodeBatch returns a v2 record batch around one record.
// Layout: https://kafka.apache.org/documentation/#recordbatch
func encodeBatch(value []byte) []byte {
	const (
		beforeLength = 12 // first offset, length
		beforeCRC    = 21 // … leader epoch, magic, CRC
	)
	rec := kmsg.NewRecord()
	rec.Value = value
	rec.Length = int32(len(rec.AppendTo(nil)) - 1) // the length 0 takes one byte
	batch := kmsg.NewRecordBatch()
	batch.Magic, batch.NumRecords = 2, 1
	batch.ProducerID, batch.ProducerEpoch, batch.FirstSequence = -1, -1, -1
	batch.Records = rec.AppendTo(nil)
	b := batch.AppendTo(nil)
	binary.BigEndian.PutUint32(b[8:], uint32(len(b)-beforeLength))
	binary.BigEndian.PutUint32(b[17:], crc32.Checksum(b[beforeCRC:], crc32.MakeTable(crc32.Castagnoli)))
	return b
}
