package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"kafkaio/stress/kafka/internal/cluster"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 1 && args[0] == "-child" {
		return child(ctx, os.Stdin, os.Stdout)
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return compare(ctx, o, os.Stdout, os.Stderr)
}

// options are the flags.
type options struct {
	dir, profiles          string
	listeners, apis, peers []string
	shapes                 []shape
	rounds, procs          int
	warmUp, length         time.Duration
	markdown, check        bool
}

func parse(args []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	listeners := f.String("listeners", cluster.Plaintext+","+cluster.SASLSSL, "listeners, separated by commas; KAFKA_BROKERS leaves PLAINTEXT only")
	apis := f.String("apis", strings.Join(allAPIs, ","), "requests")
	shapes := f.String("shapes", "1x1,1x64,64x64", "connections x callers")
	peers := f.String("peers", strings.Join(usualPeers, ","), "clients; of "+strings.Join(allPeers, ", "))
	f.StringVar(&o.dir, "dir", ".run", "folder of the cluster that cmd/kafka has started")
	f.StringVar(&o.profiles, "profiles", "", "folder for CPU profiles of the last round; profiling costs time, so look at no figures then")
	f.IntVar(&o.rounds, "rounds", 3, "measurements of each cell; the table has their medians")
	f.IntVar(&o.procs, "procs", 0, "GOMAXPROCS of the clients; 0 leaves it to the runtime")
	f.DurationVar(&o.length, "length", time.Second, "of a measurement")
	f.DurationVar(&o.warmUp, "warmup", 250*time.Millisecond, "before it, not counted")
	f.BoolVar(&o.markdown, "markdown", false, "write Markdown, for BENCHMARKS.md")
	f.BoolVar(&o.check, "check", false, "end with code 1 if a target is missed")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	o.listeners, o.apis, o.peers = split(*listeners), split(*apis), split(*peers)
	for _, text := range split(*shapes) {
		s, err := parseShape(text)
		if err != nil {
			return o, err
		}
		o.shapes = append(o.shapes, s)
	}
	return o, o.validate()
}

func (o options) validate() error {
	for _, list := range []struct {
		flag      string
		got, want []string
	}{
		{"-listeners", o.listeners, []string{cluster.Plaintext, cluster.SSL, cluster.SASLSSL}},
		{"-apis", o.apis, allAPIs},
		{"-peers", o.peers, allPeers},
	} {
		if len(list.got) == 0 {
			return fmt.Errorf("%s names none", list.flag)
		}
		for _, name := range list.got {
			if !slices.Contains(list.want, name) {
				return fmt.Errorf("%s: %q is none of %s", list.flag, name, strings.Join(list.want, ", "))
			}
		}
	}
	switch {
	case len(o.shapes) == 0:
		return errors.New("-shapes names none")
	case o.rounds < 1 || o.rounds > 1000:
		return fmt.Errorf("-rounds is %d, must be 1 to 1000", o.rounds)
	case o.length < 50*time.Millisecond || o.length > time.Hour:
		return fmt.Errorf("-length is %v, must be 50ms to 1h", o.length)
	case o.warmUp < 0 || o.warmUp > time.Hour:
		return fmt.Errorf("-warmup is %v, must be 0 to 1h", o.warmUp)
	case o.procs < 0:
		return fmt.Errorf("-procs is %d, must not be negative", o.procs)
	}
	return nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}
