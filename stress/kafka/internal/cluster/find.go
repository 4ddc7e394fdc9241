package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// Find gives the cluster that a user means, if it answers: the one described in the file that KAFKA_STATE names, the one whose PLAINTEXT listeners
// KAFKA_BROKERS lists, or the one that Up has started in dir.
func Find(ctx context.Context, dir string) (*State, error) {
	s, err := named(dir)
	if errors.Is(err, ErrNone) {
		return nil, errors.New("no Kafka runs: start one with `make kafka-up`, or name one in KAFKA_BROKERS")
	}
	if err != nil {
		return nil, err
	}
	for i := range s.Nodes {
		if _, err = s.Nodes[i].Knows(ctx); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("the Kafka at %s does not answer: %w", s.Nodes[0].Listeners[Plaintext], err)
}

func named(dir string) (*State, error) {
	if file := os.Getenv("KAFKA_STATE"); file != "" {
		return LoadFile(file)
	}
	brokers := os.Getenv("KAFKA_BROKERS")
	if brokers == "" {
		return Load(dir)
	}
	s := &State{}
	for i, addr := range strings.Split(brokers, ",") {
		s.Nodes = append(s.Nodes, Node{ID: int32(i + 1), Listeners: map[string]string{Plaintext: strings.TrimSpace(addr)}})
	}
	return s, nil
}
