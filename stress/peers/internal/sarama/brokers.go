package sarama

import (
	"errors"
	"fmt"

	"github.com/IBM/sarama"

	"kafkaio/stress/peers/internal/peer"
)

// openBrokers makes one Client that learns of the brokers by Metadata, and opens each and has a request answered.
func openBrokers(e peer.Env, cfg *sarama.Config) (*peer.Client, error) {
	cl, err := sarama.NewClient(e.Addrs[:1], cfg)
	if err != nil {
		return nil, err
	}
	brokers := cl.Brokers()
	if len(brokers) < e.Work.Brokers {
		return nil, fmt.Errorf("%d brokers in Metadata, want %d", len(brokers), e.Work.Brokers)
	}
	brokers = brokers[:e.Work.Brokers]
	err = e.OpenAll(len(brokers), func(i int) error {
		if err := brokers[i].Open(cfg); err != nil && !errors.Is(err, sarama.ErrAlreadyConnected) {
			return err
		}
		_, err := brokers[i].ApiVersions(&sarama.ApiVersionsRequest{})
		return err
	})
	c := &peer.Client{Keep: cl}
	if err != nil || !e.Work.Busy {
		return c, err
	}
	for _, b := range brokers {
		c.Callers = append(c.Callers, call(b))
	}
	return c, nil
}
