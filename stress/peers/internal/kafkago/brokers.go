package kafkago

import (
	"context"
	"net"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/fetch"
	"github.com/segmentio/kafka-go/protocol/produce"

	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// openBrokers makes one Transport, which learns of the brokers by Metadata and sends to them only what is theirs: partition i is led by broker i, so a
// Produce to it opens the connection to that one, and a Fetch is the request in flight.
func openBrokers(ctx context.Context, e peer.Env) (*peer.Client, error) {
	addr, err := net.ResolveTCPAddr("tcp", e.Addr(0))
	if err != nil {
		return nil, err
	}
	t := &kafka.Transport{
		ClientID: work.ClientID, DialTimeout: peer.DialTimeout, IdleTimeout: time.Hour, MetadataTTL: time.Hour,
	}
	err = e.OpenAll(e.Work.Brokers, func(i int) error {
		_, err := t.RoundTrip(ctx, addr, produceTo(int32(i)))
		return err
	})
	c := &peer.Client{Keep: t}
	if err != nil || !e.Work.Busy {
		return c, err
	}
	for i := range e.Work.Callers {
		request := fetchFrom(int32(i))
		c.Callers = append(c.Callers, func() error {
			_, err := t.RoundTrip(context.Background(), addr, request)
			return err
		})
	}
	return c, nil
}

func produceTo(partition int32) *produce.Request {
	return &produce.Request{
		Acks: 1, Timeout: 1000,
		Topics: []produce.RequestTopic{{
			Topic: work.Topic,
			Partitions: []produce.RequestPartition{{
				Partition: partition,
				RecordSet: protocol.RecordSet{Version: 2, Records: protocol.NewRecordReader(protocol.Record{Value: protocol.NewBytes([]byte("v"))})},
			}},
		}},
	}
}

func fetchFrom(partition int32) *fetch.Request {
	return &fetch.Request{
		ReplicaID: -1, MaxWaitTime: 1000, MinBytes: 1, MaxBytes: 1 << 20, SessionEpoch: -1,
		Topics: []fetch.RequestTopic{{
			Topic:      work.Topic,
			Partitions: []fetch.RequestPartition{{Partition: partition, CurrentLeaderEpoch: -1, PartitionMaxBytes: 1 << 20}},
		}},
	}
}
