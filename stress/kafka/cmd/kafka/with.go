package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"time"

	"kafkaio/stress/kafka/internal/cluster"
)

// grace is what an interrupted command has to end.
const grace = 10 * time.Second

// with runs a command while a cluster runs: the one that KAFKA_BROKERS or KAFKA_STATE names, the one that is up, or else one that is started for it and
// ended with it. When the command fails, what the nodes have logged last is shown: the logs go with the cluster.
func with(ctx context.Context, o cluster.Options, command []string) error {
	if len(command) == 0 {
		return errors.New("with: no command after the flags")
	}
	if os.Getenv("KAFKA_BROKERS") != "" || os.Getenv("KAFKA_STATE") != "" {
		return call(ctx, command)
	}
	s, err := cluster.Load(o.Dir)
	if err != nil && !errors.Is(err, cluster.ErrNone) {
		return err
	}
	if err == nil && runs(s) {
		fmt.Fprintf(os.Stderr, "%d node(s) run already and are left running\n", len(s.Nodes))
		return call(ctx, command)
	}
	if s, err = cluster.Up(ctx, o); err != nil {
		return err
	}
	if err = call(ctx, command); err != nil {
		for i := range s.Nodes {
			fmt.Fprintf(os.Stderr, "the log of node %d ends with\n%s\n", s.Nodes[i].ID, s.Nodes[i].LastLines())
		}
	}
	return errors.Join(err, cluster.Down(o.Dir))
}

func runs(s *cluster.State) bool {
	for i := range s.Nodes {
		if s.Nodes[i].Running() {
			return true
		}
	}
	return false
}

// call runs the command, which fails where it has no cluster.
func call(ctx context.Context, command []string) error {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(os.Environ(), "KAFKA_REQUIRED=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// Interrupted, it gets the time to end what it has started itself.
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	return cmd.Run()
}
