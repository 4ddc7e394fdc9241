package main

import (
	"context"
	"fmt"
	"time"

	kafka "github.com/IBM/sarama"
)

// saramaVersion decides about the versions of its requests.
var saramaVersion = kafka.V4_0_0_0

// openSarama opens a Broker for each connection. The number of requests in flight is raised to the number of callers: the default of 5 would hold them
// back.
func openSarama(_ context.Context, j job) (*client, error) {
	cfg := kafka.NewConfig()
	cfg.ClientID, cfg.Version = clientID, saramaVersion
	cfg.Net.DialTimeout, cfg.Net.ReadTimeout = timeout, timeout
	cfg.Net.MaxOpenRequests = max(cfg.Net.MaxOpenRequests, j.shape.callers/j.shape.conns)
	if j.tls != nil {
		cfg.Net.TLS.Enable, cfg.Net.TLS.Config = true, j.tls
	}
	if j.user != "" {
		cfg.Net.SASL.Enable, cfg.Net.SASL.Mechanism = true, kafka.SASLTypePlaintext
		cfg.Net.SASL.User, cfg.Net.SASL.Password = j.user, j.pass
	}
	brokers := make([]*kafka.Broker, j.shape.conns)
	err := openEach(len(brokers), func(i int) error {
		brokers[i] = kafka.NewBroker(j.addr)
		if err := brokers[i].Open(cfg); err != nil {
			return err
		}
		return saramaCaller(brokers[i], j)()
	})
	if err != nil {
		return nil, err
	}
	c := &client{keep: brokers}
	for i := range j.shape.callers {
		c.callers = append(c.callers, saramaCaller(brokers[i%len(brokers)], j))
	}
	return c, nil
}

func saramaCaller(b *kafka.Broker, j job) func() error {
	name := j.topic.Name
	switch j.api {
	case apiVersions:
		r := &kafka.ApiVersionsRequest{Version: 3, ClientSoftwareName: clientID, ClientSoftwareVersion: "1"}
		return func() error {
			resp, err := b.ApiVersions(r)
			if err == nil && len(resp.ApiKeys) == 0 {
				return errAnswer
			}
			return err
		}
	case apiMetadata:
		r := kafka.NewMetadataRequest(saramaVersion, []string{name})
		return func() error {
			resp, err := b.GetMetadata(r)
			if err == nil && (len(resp.Topics) != 1 || resp.Topics[0].Err != kafka.ErrNoError) {
				return errAnswer
			}
			return err
		}
	case apiProduce:
		return func() error { return saramaProduce(b, name) }
	default:
		r := &kafka.FetchRequest{Version: 12, MaxWaitTime: 500, MinBytes: 1, MaxBytes: fetchBytes, SessionEpoch: -1}
		r.AddBlock(name, 0, 0, fetchBytes, -1)
		return func() error {
			resp, err := b.Fetch(r)
			if err != nil {
				return err
			}
			if block := resp.GetBlock(name, 0); block == nil || block.Err != kafka.ErrNoError || len(block.RecordsSet) == 0 {
				return fmt.Errorf("%w: a Fetch without records", errAnswer)
			}
			return nil
		}
	}
}

func saramaProduce(b *kafka.Broker, name string) error {
	r := &kafka.ProduceRequest{Version: 9, RequiredAcks: kafka.WaitForLocal, Timeout: 5000}
	now := time.Now()
	r.AddBatch(name, 0, &kafka.RecordBatch{
		Version: 2, PartitionLeaderEpoch: -1, ProducerID: -1, ProducerEpoch: -1, FirstSequence: -1, FirstTimestamp: now, MaxTimestamp: now,
		Records: []*kafka.Record{{Value: record.Value}},
	})
	resp, err := b.Produce(r)
	if err != nil {
		return err
	}
	if block := resp.GetBlock(name, 0); block == nil || block.Err != kafka.ErrNoError {
		return fmt.Errorf("%w: Produce %+v", errAnswer, block)
	}
	return nil
}
