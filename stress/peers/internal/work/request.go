package work

import (
	"encoding/binary"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What the small request says. With the client id it makes a Heartbeat v4 of
// 64 bytes on the wire.
const (
	ClientID         = "bench"
	Group            = "bench-group"
	MemberID         = "member-000000000000000000"
	HeartbeatVersion = 4

	// FetchVersion is the last one that names topics.
	FetchVersion = 12
	Topic        = "stress"
)

// Heartbeat returns the small request as kmsg has it.
func Heartbeat() *kmsg.HeartbeatRequest {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Version = HeartbeatVersion
	r.Group, r.Generation, r.MemberID = Group, 1, MemberID
	return r
}

// Fetch returns the request that is answered with records.
func Fetch() *kmsg.FetchRequest {
	r := kmsg.NewPtrFetchRequest()
	r.Version = FetchVersion
	r.MaxBytes, r.MaxWaitMillis = 2<<20, 100
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 2 << 20
	t := kmsg.NewFetchRequestTopic()
	t.Topic = Topic
	t.Partitions = append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return r
}

// Frame returns the request of a work with its size prefix and correlation
// id 1.
func (w Work) Frame() []byte {
	var r kmsg.Request = Heartbeat()
	if w.FetchBytes > 0 {
		r = Fetch()
	}
	b := kmsg.NewRequestFormatter(kmsg.FormatterClientID(ClientID)).AppendRequest(nil, r, 1)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}
