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

	"kafkaio/stress/peers/internal/report"
	"kafkaio/stress/peers/internal/work"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		_, _ = fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 {
		switch args[0] {
		case "-child":
			return child(ctx, args[1:], os.Stdout)
		case "-responder":
			return serve(args[1:], os.Stdin, os.Stdout)
		}
	}
	o, err := parse(args)
	if err != nil {
		return err
	}
	return measureAll(ctx, o, os.Stdout, os.Stderr)
}

// options are the flags.
type options struct {
	works, peers, modes []string
	rounds              int
	durations           work.Durations
	style               report.Style
	check               bool
}

// errTargets ends a -check run that failed.
var errTargets = errors.New("a target was not reached")

func parse(args []string) (options, error) {
	o := options{}
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	works := f.String("works", "", "works to measure, separated by commas; empty: all of a full run")
	peers := f.String("peers", "", "peers to measure; empty: those of a full run")
	modes := f.String("modes", report.Pinned+","+report.Unpinned, "modes to measure in")
	seconds := f.Float64("seconds", 2, "length of a measurement")
	warm := f.Float64("warmup", 0.3, "seconds before it that are not counted")
	markdown := f.Bool("markdown", false, "write Markdown, for BENCHMARKS.md")
	list := f.Bool("list", false, "list works and peers and end")
	f.IntVar(&o.rounds, "rounds", 5, "measurements of each cell; the table has their medians")
	f.BoolVar(&o.check, "check", false, "end with code 1 if a target is missed")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if *list {
		if err := writeList(os.Stdout); err != nil {
			return o, err
		}
		return o, flag.ErrHelp
	}
	o.works, o.peers, o.modes = split(*works), split(*peers), split(*modes)
	if *markdown {
		o.style = report.Markdown
	}
	second := float64(time.Second)
	o.durations = work.Durations{WarmUp: time.Duration(*warm * second), Window: time.Duration(*seconds * second)}
	return o, o.validate()
}

func (o options) validate() error {
	for _, name := range o.works {
		if _, ok := work.Find(name); !ok {
			return fmt.Errorf("-works: no work %q; -list shows them", name)
		}
	}
	for _, p := range o.peers {
		if !slices.Contains(peerNames(), p) {
			return fmt.Errorf("-peers: no peer %q; -list shows them", p)
		}
	}
	for _, m := range o.modes {
		if m != report.Pinned && m != report.Unpinned {
			return fmt.Errorf("-modes: no mode %q; there are %s and %s", m, report.Pinned, report.Unpinned)
		}
	}
	switch {
	case o.rounds < 1 || o.rounds > 1000:
		return fmt.Errorf("-rounds is %d, must be 1 to 1000", o.rounds)
	case o.durations.Window < 50*time.Millisecond || o.durations.Window > time.Hour:
		return fmt.Errorf("-seconds is %v, must be 0.05 to 3600", o.durations.Window.Seconds())
	case o.durations.WarmUp < 0 || o.durations.WarmUp > time.Hour:
		return fmt.Errorf("-warmup is %v, must be 0 to 3600", o.durations.WarmUp.Seconds())
	}
	return nil
}

func split(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' })
}

// selections returns what to measure, one for each mode that has something.
func (o options) selections() []report.Selection {
	var all []report.Selection
	for _, mode := range o.modes {
		s := report.Selection{Mode: mode, Peers: map[string][]string{}}
		for _, w := range work.All {
			if peers := o.peersOf(w, mode); len(peers) > 0 {
				s.Works = append(s.Works, w)
				s.Peers[w.Name] = peers
			}
		}
		if len(s.Works) > 0 {
			all = append(all, s)
		}
	}
	return all
}

// peersOf returns who does a work: those asked for that can, else those of a
// full run. A work that is asked for is done in each mode.
func (o options) peersOf(w work.Work, mode string) []string {
	named := slices.Contains(o.works, w.Name)
	if len(o.works) > 0 && !named {
		return nil
	}
	usual := w.Pinned
	if mode == report.Unpinned {
		if usual = w.Unpinned; named && len(usual) == 0 {
			usual = w.Pinned
		}
	}
	if len(o.peers) == 0 || len(usual) == 0 {
		return usual
	}
	var chosen []string
	for _, p := range o.peers {
		if w.Can(p) {
			chosen = append(chosen, p)
		}
	}
	return chosen
}
