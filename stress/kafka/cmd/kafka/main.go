package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"kafkaio/stress/kafka/internal/cluster"
)

const usage = "usage: kafka up|status|restart|down|able [flags], or kafka with [flags] -- COMMAND; kafka up -h shows flags"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "kafka:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	f := flag.NewFlagSet("kafka "+args[0], flag.ContinueOnError)
	o := cluster.Options{Progress: os.Stderr}
	f.StringVar(&o.Dir, "dir", ".run", "folder of the cluster: state, certificates, data and logs")
	command := map[string]func() error{
		"up":      func() error { return up(ctx, o) },
		"status":  func() error { return status(ctx, o.Dir) },
		"down":    func() error { return cluster.Down(o.Dir) },
		"restart": nil,
		"able":    func() error { return cluster.Able(ctx) },
		"with":    func() error { return with(ctx, o, f.Args()) },
	}
	switch args[0] {
	case "up", "with":
		f.IntVar(&o.Nodes, "nodes", 1, "number of nodes, each broker and controller")
		f.IntVar(&o.FirstPort, "port", 0, "first of the ports, six in a row a node; 0 finds free ones")
		f.DurationVar(&o.Session, "session", cluster.DefaultSession, "how long a session lasts on the SESSION listener")
		f.DurationVar(&o.Idle, "idle", cluster.DefaultIdle, "after which idle time brokers close a connection")
	case "restart":
		id := f.Int("node", 1, "the node")
		kill := f.Bool("kill", false, "kill it instead of asking it to stop")
		command["restart"] = func() error { return restart(ctx, o.Dir, int32(*id), *kill) }
	}
	do, ok := command[args[0]]
	if !ok {
		return fmt.Errorf("no command %q; %s", args[0], usage)
	}
	if err := f.Parse(args[1:]); err != nil {
		return err
	}
	if f.NArg() > 0 && args[0] != "with" {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	return do()
}

func up(ctx context.Context, o cluster.Options) error {
	s, err := cluster.Up(ctx, o)
	if err != nil {
		return err
	}
	show(ctx, s)
	return nil
}

func status(ctx context.Context, dir string) error {
	s, err := cluster.Load(dir)
	if err != nil {
		return err
	}
	if !show(ctx, s) {
		return errors.New("not all nodes answer")
	}
	return nil
}

// show prints the nodes and reports whether all of them answer.
func show(ctx context.Context, s *cluster.State) bool {
	all := true
	for i := range s.Nodes {
		n := &s.Nodes[i]
		state := "does not run"
		if n.Running() {
			state = fmt.Sprintf("process %d", n.PID)
		}
		known, err := n.Knows(ctx)
		if err != nil {
			all = false
			state += fmt.Sprintf(", does not answer: %v", err)
		} else {
			state += fmt.Sprintf(", answers, knows %d node(s)", known)
		}
		fmt.Printf("node %d: %s; log %s\n", n.ID, state, n.Log())
		for _, name := range cluster.Listeners {
			fmt.Printf("  %-15s %s\n", name, n.Listeners[name])
		}
	}
	var brokers []string
	for _, n := range s.Nodes {
		brokers = append(brokers, n.Listeners[cluster.Plaintext])
	}
	fmt.Printf("KAFKA_BROKERS=%s\n", strings.Join(brokers, ","))
	return all
}

func restart(ctx context.Context, dir string, id int32, kill bool) error {
	s, err := cluster.Load(dir)
	if err != nil {
		return err
	}
	if kill {
		err = s.Kill(ctx, id)
	} else {
		err = s.Stop(ctx, id)
	}
	if err != nil {
		return err
	}
	return s.Start(ctx, id)
}
