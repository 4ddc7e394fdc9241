package target

import (
	"context"
	"fmt"
	"slices"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/internal/workload"
)

// session is a connection to one broker whose versions are known. One goroutine at a time.
type session struct {
	*kio.Broker
	versions workload.Versions
}

// open connects and asks for ApiVersions, in version 0, which every broker understands.
func open(ctx context.Context, addr string, cfg kio.Config) (*session, error) {
	b, err := kio.DialBroker(ctx, addr, cfg)
	if err != nil {
		return nil, err
	}
	response, err := kmsg.NewPtrApiVersionsRequest().RequestWith(ctx, b)
	if err == nil && response.ErrorCode != 0 {
		err = kerr.ErrorForCode(response.ErrorCode)
	}
	if err != nil {
		_ = b.Close()
		return nil, fmt.Errorf("ask %s for ApiVersions: %w", addr, err)
	}
	s := &session{Broker: b, versions: make(workload.Versions)}
	for _, k := range response.ApiKeys {
		s.versions[kmsg.Key(k.ApiKey)] = workload.Range{Min: k.MinVersion, Max: k.MaxVersion}
	}
	return s, nil
}

func (s *session) close() { _ = s.Close() } // it always returns nil

// metadata asks for all brokers, and for the topic where that is needed.
func (s *session) metadata(ctx context.Context, cfg Config) (*kmsg.MetadataResponse, error) {
	version, err := s.versions.Choose(kmsg.Metadata)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.Addr(), err)
	}
	r := kmsg.NewPtrMetadataRequest()
	r.SetVersion(version)
	r.Topics = []kmsg.MetadataRequestTopic{}
	if cfg.NeedTopic {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(cfg.Topic)
		r.Topics = append(r.Topics, t)
	}
	m, err := r.RequestWith(ctx, s)
	if err == nil {
		err = kerr.ErrorForCode(m.ErrorCode)
	}
	if err != nil {
		return nil, fmt.Errorf("ask %s for Metadata: %w", s.Addr(), err)
	}
	return m, nil
}

// topicOf finds a topic in Metadata, or nil.
func topicOf(m *kmsg.MetadataResponse, name string) *kmsg.MetadataResponseTopic {
	i := slices.IndexFunc(m.Topics, func(t kmsg.MetadataResponseTopic) bool { return t.Topic != nil && *t.Topic == name })
	if i < 0 {
		return nil
	}
	return &m.Topics[i]
}

// complete reports whether every partition of a new topic is led by a broker that is listed.
func complete(t *kmsg.MetadataResponseTopic, m *kmsg.MetadataResponse) bool {
	led := func(p kmsg.MetadataResponseTopicPartition) bool {
		return slices.ContainsFunc(m.Brokers, func(b kmsg.MetadataResponseBroker) bool { return b.NodeID == p.Leader })
	}
	for _, p := range t.Partitions {
		if !led(p) {
			return false
		}
	}
	return len(t.Partitions) > 0
}

// firstOffsets asks for the offsets at which the partitions begin. A broker that does not support the question is taken to begin at 0.
func (s *session) firstOffsets(ctx context.Context, t *workload.Target) error {
	version, err := s.versions.Choose(kmsg.ListOffsets)
	if err != nil || len(t.Partitions) == 0 || version < 1 { // version 0 answers in another way, and such brokers are older than 0.10.1
		return nil
	}
	const earliest = -2 // ListOffsetsRequest.EARLIEST_TIMESTAMP
	rt := kmsg.NewListOffsetsRequestTopic()
	rt.Topic = t.Topic
	for _, p := range t.Partitions {
		rp := kmsg.NewListOffsetsRequestTopicPartition()
		rp.Partition, rp.Timestamp, rp.CurrentLeaderEpoch = p.ID, earliest, -1
		rt.Partitions = append(rt.Partitions, rp)
	}
	r := kmsg.NewPtrListOffsetsRequest()
	r.SetVersion(version)
	r.ReplicaID = -1
	r.Topics = append(r.Topics, rt)
	response, err := r.RequestWith(ctx, s)
	if err != nil {
		return fmt.Errorf("ask %s for ListOffsets: %w", s.Addr(), err)
	}
	for _, rt := range response.Topics {
		for _, rp := range rt.Partitions {
			if rp.ErrorCode != 0 {
				return fmt.Errorf("ask %s for the first offset of partition %d: %w", s.Addr(), rp.Partition, kerr.ErrorForCode(rp.ErrorCode))
			}
			for i := range t.Partitions {
				if t.Partitions[i].ID == rp.Partition {
					t.Partitions[i].Offset = rp.Offset
				}
			}
		}
	}
	return nil
}
