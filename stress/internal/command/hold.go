package command

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"kafkaio/stress/internal/hold"
	"kafkaio/stress/internal/limits"
	"kafkaio/stress/internal/report"
)

const holdLong = `Hold keeps many connections to many brokers open, asks each now and then, and tells what
that takes of this process: resident memory, heap, goroutines and processor time, before
the first connection, with all of them open, and while asking.

Without a flag it starts 1,000 brokers in a process beside its own, each at a loopback
address of its own, opens 10 connections to each, and asks each connection every
5 seconds for a minute. With --brokers it holds connections to those that are named,
and asks them for nothing but ApiVersions.

The schedule does not wait for answers: latencies count from the moment when a request
was due. Interrupting and exit codes are as with stress itself.`

// newHold is the command that holds connections.
func newHold(env *Env) *cobra.Command {
	o := new(holdOptions)
	c := &cobra.Command{
		Use:           "hold",
		Short:         "Hold many connections to many brokers, and weigh them",
		Long:          holdLong,
		Example:       "  stress hold\n  stress hold --embedded-brokers 100 --connections 100 --every 1s --duration 10s --json\n  stress hold --brokers kafka-1:9092,kafka-2:9092 --connections 200 --duration 10m",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := o.validate(c.Flags().Changed("embedded-brokers")); err != nil {
				return err
			}
			return env.hold(c.Context(), o)
		},
	}
	c.Flags().SortFlags = false
	o.register(c.Flags())
	return c
}

// hold checks, prepares, runs and reports.
func (env *Env) hold(ctx context.Context, o *holdOptions) error {
	isTerminal, width := terminal(env.Stderr)
	style, err := (&options{live: o.live}).style(isTerminal)
	if err != nil {
		return err
	}
	live := report.NewLive(env.Stderr, style, width)
	ctx, release := env.watch(ctx,
		func() { live.Note("interrupted: no more requests; interrupt again to exit without a report") },
		live.Clear)
	defer release()
	if err := limits.Check(o.demand()); err != nil {
		return cannotStart(err)
	}
	addrs := o.brokers
	where := ""
	if o.beside() {
		b, err := env.startBeside(ctx, o.embedded)
		if err != nil {
			return cannotStart(err)
		}
		defer func() {
			if err := b.stop(); err != nil {
				live.Note("the process with the brokers did not end well: %v", err)
			}
		}()
		addrs, where = b.addrs, " in a process beside this one"
	}
	live.Note("%s%s", report.Count(len(addrs), "broker"), where)
	live.Note("%s, each asked every %v", report.Count(o.connections, "connection"), o.every)
	result, err := o.run(ctx, live, interval(style), addrs)
	if err != nil {
		return cannotStart(err)
	}
	return env.reportHold(o, result)
}

// run opens, asks and closes, and shows it. The error is that nothing was sent.
func (o *holdOptions) run(ctx context.Context, live *report.Live, every time.Duration, addrs []string) (*hold.Result, error) {
	h, err := hold.New(o.config(addrs))
	if err != nil {
		return nil, err
	}
	var result *hold.Result
	showWhile(live, func() string { return report.HoldLine(h.Progress(), o.duration) }, every, func() {
		if err = h.Open(ctx); err == nil {
			h.Ask(ctx)
		}
		result = h.Close()
	})
	return result, err
}

// reportHold writes the result and gives its exit code.
func (env *Env) reportHold(o *holdOptions, r *hold.Result) error {
	code := exitCode(r.Check(), r.Clean())
	var err error
	if o.json {
		err = report.WriteHoldJSON(env.Stdout, o.settings(), r, code)
	} else {
		err = report.WriteHoldTable(env.Stdout, r)
	}
	switch {
	case err != nil:
		return &exitError{ExitUnreported, fmt.Errorf("cannot write the report: %w", err)}
	case code != ExitOK:
		return &exitError{code: code}
	default:
		return nil
	}
}
