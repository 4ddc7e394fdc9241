package workload

import (
	"encoding/binary"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
)

const (
	clientID = "kafkaio-stress"

	// firstTopicIDVersion is the version of both Produce and Fetch from which on topics go by their ids (KIP-516).
	firstTopicIDVersion = 13

	// acksAll asks for the acknowledgement of all in-sync replicas, the default of Kafka's own producer.
	acksAll = -1

	// noSession is the session epoch of a Fetch that neither opens nor continues a session (KIP-227, FINAL_EPOCH).
	noSession = -1

	// noReplica is the replica id of a Fetch by a consumer.
	noReplica = -1

	// anyEpoch is a leader epoch that the broker does not check.
	anyEpoch = -1
)

// Request is one encoded request. Safe for concurrent use.
type Request struct {
	// Immutable.
	API     API
	Version int16
	Bytes   []byte // header and body without the size prefix; never written to

	flexible bool // the version has tags and compact lengths (KIP-482)

	// Atomic.
	good atomic.Pointer[[]byte] // the last answer that was decoded and found good, without its correlation id; where answers repeat
}

// encode builds a request.
func encode(a API, r kmsg.Request, version int16) *Request {
	r.SetVersion(version)
	id := clientID
	headerVersion := 1
	if r.IsFlexible() {
		headerVersion = 2
	}
	b := frame.AppendRequestHeader(nil, headerVersion, frame.RequestHeader{Key: frame.APIKey(r.Key()), Version: version, ClientID: &id})
	return &Request{API: a, Version: version, Bytes: r.AppendTo(b), flexible: r.IsFlexible()}
}

func apiVersionsRequest() kmsg.Request {
	r := kmsg.NewPtrApiVersionsRequest()
	r.ClientSoftwareName, r.ClientSoftwareVersion = clientID, "1"
	return r
}

func metadataRequest(topic string) kmsg.Request {
	r := kmsg.NewPtrMetadataRequest()
	t := kmsg.NewMetadataRequestTopic()
	t.Topic = kmsg.StringPtr(topic)
	r.Topics = append(r.Topics, t)
	return r
}

func produceRequest(t *Target, p Partition, batch []byte, timeout time.Duration) kmsg.Request {
	rp := kmsg.NewProduceRequestTopicPartition()
	rp.Partition, rp.Records = p.ID, batch
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = t.Topic, t.TopicID
	rt.Partitions = append(rt.Partitions, rp)
	r := kmsg.NewPtrProduceRequest()
	r.Acks, r.TimeoutMillis = acksAll, int32(timeout.Milliseconds())
	r.Topics = append(r.Topics, rt)
	return r
}

func fetchRequest(t *Target, p Partition, maxBytes int) kmsg.Request {
	rp := kmsg.NewFetchRequestTopicPartition()
	rp.Partition, rp.FetchOffset, rp.PartitionMaxBytes = p.ID, p.Offset, int32(maxBytes)
	rp.CurrentLeaderEpoch = anyEpoch
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = t.Topic, t.TopicID
	rt.Partitions = append(rt.Partitions, rp)
	r := kmsg.NewPtrFetchRequest()
	r.ReplicaID, r.SessionEpoch = noReplica, noSession
	r.MaxWaitMillis, r.MinBytes, r.MaxBytes = 0, 0, int32(maxBytes)
	r.Topics = append(r.Topics, rt)
	return r
}

// payload is the value of a record: bytes that do not compress, the same for the same seed.
func payload(size int, seed uint64) []byte {
	rng := rand.NewPCG(seed, uint64(size))
	b := make([]byte, 0, size+8)
	for len(b) < size {
		b = binary.LittleEndian.AppendUint64(b, rng.Uint64())
	}
	return b[:size]
}
