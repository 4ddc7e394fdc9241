package topic

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// Topic is what requests need to know of a topic.
type Topic struct {
	Name string
	ID   [16]byte
}

// Layout says where the partitions of a new topic go. The zero value is one partition that is not replicated.
type Layout struct {
	Partitions int   // 0 is 1
	Replicas   int16 // 0 is 1
	Node       int32 // if not 0, the node on which all partitions are, without replicas
	MinInSync  int   // how many replicas acknowledge a record with acks=all, at least; 0 is what the brokers have
}

// Create makes a topic and waits until all its partitions have leaders.
func Create(ctx context.Context, r kmsg.Requestor, name string, l Layout) (Topic, error) {
	t := Topic{Name: name}
	l.Partitions, l.Replicas = max(l.Partitions, 1), max(l.Replicas, 1)
	rt := kmsg.NewCreateTopicsRequestTopic()
	rt.Topic, rt.NumPartitions, rt.ReplicationFactor = name, int32(l.Partitions), l.Replicas
	if l.Node != 0 {
		rt.NumPartitions, rt.ReplicationFactor = -1, -1
		for i := range l.Partitions {
			rt.ReplicaAssignment = append(rt.ReplicaAssignment, kmsg.CreateTopicsRequestTopicReplicaAssignment{Partition: int32(i), Replicas: []int32{l.Node}})
		}
	}
	if l.MinInSync != 0 {
		c := kmsg.NewCreateTopicsRequestTopicConfig()
		c.Name, c.Value = "min.insync.replicas", kmsg.StringPtr(strconv.Itoa(l.MinInSync))
		rt.Configs = append(rt.Configs, c)
	}
	req := kmsg.NewPtrCreateTopicsRequest()
	req.TimeoutMillis = 10_000
	req.Topics = append(req.Topics, rt)
	resp, err := req.RequestWith(ctx, r)
	if err != nil {
		return t, fmt.Errorf("create topic %s: %w", name, err)
	}
	if len(resp.Topics) != 1 {
		return t, fmt.Errorf("create topic %s: an answer of %d topics", name, len(resp.Topics))
	}
	if err := kerr.ErrorForCode(resp.Topics[0].ErrorCode); err != nil {
		return t, fmt.Errorf("create topic %s: %w", name, err)
	}
	t.ID = resp.Topics[0].TopicID
	for {
		leaders, err := t.Leaders(ctx, r)
		if err == nil && len(leaders) == l.Partitions {
			return t, nil
		}
		if ended := pause(ctx); ended != nil {
			return t, fmt.Errorf("create topic %s: no leaders: %w", name, errors.Join(ended, err))
		}
	}
}

// Settle waits until the broker that r leads to takes requests for partitions 0 to n-1 as their leader. It learns that it is some moments after everybody
// else does.
func (t Topic) Settle(ctx context.Context, r kmsg.Requestor, n int) error {
	for partition := int32(0); int(partition) < n; {
		req := t.Fetch(partition, 0, 1)
		req.MaxWaitMillis = 0
		_, err := Batches(r.Request(ctx, req))
		switch {
		case err == nil:
			partition++
			continue
		case !kerr.IsRetriable(err):
			return fmt.Errorf("partition %d of %s: %w", partition, t.Name, err)
		}
		if err := pause(ctx); err != nil {
			return fmt.Errorf("partition %d of %s has not settled: %w", partition, t.Name, err)
		}
	}
	return nil
}

// pause is between two looks at a state that nothing tells of.
func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// Delete removes a topic.
func (t Topic) Delete(ctx context.Context, r kmsg.Requestor) error {
	rt := kmsg.NewDeleteTopicsRequestTopic()
	rt.Topic = &t.Name
	req := kmsg.NewPtrDeleteTopicsRequest()
	req.TimeoutMillis = 10_000
	req.Topics, req.TopicNames = append(req.Topics, rt), []string{t.Name}
	resp, err := req.RequestWith(ctx, r)
	if err != nil {
		return err
	}
	for _, rt := range resp.Topics {
		if err := kerr.ErrorForCode(rt.ErrorCode); err != nil {
			return fmt.Errorf("delete topic %s: %w", t.Name, err)
		}
	}
	return nil
}

// Metadata is the request that asks for the topic.
func (t Topic) Metadata() *kmsg.MetadataRequest {
	req := kmsg.NewPtrMetadataRequest()
	rt := kmsg.NewMetadataRequestTopic()
	rt.Topic = &t.Name
	req.Topics = append(req.Topics, rt)
	return req
}

// Leaders gives the address of each partition's leader, by partition, as the listener that is asked advertises it. It is an error if one has none.
func (t Topic) Leaders(ctx context.Context, r kmsg.Requestor) ([]string, error) {
	m, err := t.Metadata().RequestWith(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(m.Topics) != 1 {
		return nil, fmt.Errorf("metadata of %s: an answer of %d topics", t.Name, len(m.Topics))
	}
	if err := kerr.ErrorForCode(m.Topics[0].ErrorCode); err != nil {
		return nil, fmt.Errorf("metadata of %s: %w", t.Name, err)
	}
	brokers := map[int32]string{}
	for _, b := range m.Brokers {
		brokers[b.NodeID] = net.JoinHostPort(b.Host, strconv.Itoa(int(b.Port)))
	}
	leaders := make([]string, len(m.Topics[0].Partitions))
	for _, p := range m.Topics[0].Partitions {
		addr, ok := brokers[p.Leader]
		if !ok || int(p.Partition) >= len(leaders) {
			return nil, fmt.Errorf("partition %d of %s has no leader", p.Partition, t.Name)
		}
		leaders[p.Partition] = addr
	}
	return leaders, nil
}

// Produce is the request that appends a batch, acknowledged by all replicas.
func (t Topic) Produce(partition int32, batch []byte) *kmsg.ProduceRequest {
	p := kmsg.NewProduceRequestTopicPartition()
	p.Partition, p.Records = partition, batch
	rt := kmsg.NewProduceRequestTopic()
	rt.Topic, rt.TopicID = t.Name, t.ID
	rt.Partitions = append(rt.Partitions, p)
	req := kmsg.NewPtrProduceRequest()
	req.Acks, req.TimeoutMillis = -1, 5_000
	req.Topics = append(req.Topics, rt)
	return req
}

// Produced reads the answer to Produce: the offset of the first record, or the error of the call or of the broker. With an error of the broker the offset is
// its own as well: negative unless the records were appended before it met the error.
func Produced(resp kmsg.Response, err error) (int64, error) {
	if err != nil {
		return -1, err
	}
	r, ok := resp.(*kmsg.ProduceResponse)
	if !ok || len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return -1, fmt.Errorf("produce: the answer is a %T that is not about one partition", resp)
	}
	p := r.Topics[0].Partitions[0]
	return p.BaseOffset, kerr.ErrorForCode(p.ErrorCode)
}

// Fetch is the request that reads from an offset on, up to maxBytes or a first batch that is longer.
func (t Topic) Fetch(partition int32, offset int64, maxBytes int32) *kmsg.FetchRequest {
	p := kmsg.NewFetchRequestTopicPartition()
	p.Partition, p.FetchOffset, p.PartitionMaxBytes, p.CurrentLeaderEpoch = partition, offset, maxBytes, -1
	rt := kmsg.NewFetchRequestTopic()
	rt.Topic, rt.TopicID = t.Name, t.ID
	rt.Partitions = append(rt.Partitions, p)
	req := kmsg.NewPtrFetchRequest()
	req.ReplicaID = -1
	req.MaxWaitMillis, req.MinBytes, req.MaxBytes = 500, 1, maxBytes
	req.SessionEpoch = -1 // without a fetch session, which belongs to one reader
	req.Topics = append(req.Topics, rt)
	return req
}

// Batches reads the answer to Fetch.
func Batches(resp kmsg.Response, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	r, ok := resp.(*kmsg.FetchResponse)
	if !ok {
		return nil, fmt.Errorf("fetch: the answer is a %T", resp)
	}
	if err := kerr.ErrorForCode(r.ErrorCode); err != nil {
		return nil, err
	}
	if len(r.Topics) != 1 || len(r.Topics[0].Partitions) != 1 {
		return nil, errors.New("fetch: the answer is not about one partition")
	}
	p := r.Topics[0].Partitions[0]
	return p.RecordBatches, kerr.ErrorForCode(p.ErrorCode)
}

// ReadAll fetches all records of a partition, up to the high watermark that the last answer has.
func (t Topic) ReadAll(ctx context.Context, r kmsg.Requestor, partition int32) ([]Fetched, error) {
	var all []Fetched
	for offset := int64(0); ; {
		req := t.Fetch(partition, offset, 1<<20)
		req.MaxWaitMillis = 0 // at the end it is answered at once, with nothing
		raw, err := Batches(r.Request(ctx, req))
		if err != nil {
			return all, fmt.Errorf("fetch at offset %d: %w", offset, err)
		}
		got, err := ReadBatches(raw)
		if err != nil {
			return all, fmt.Errorf("fetch at offset %d: %w", offset, err)
		}
		if len(got) == 0 {
			return all, nil
		}
		for _, f := range got {
			if f.Offset >= offset {
				all = append(all, f)
				offset = f.Offset + 1
			}
		}
	}
}
