package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/internal/target"
)

const responderLong = `Responder is a Kafka broker that answers as fast as it can and remembers nothing: it
serves ApiVersions, Metadata, Heartbeat, Produce and Fetch with canned answers, for
measuring clients. It runs until it is interrupted, and then prints what it has served.`

// newResponder is the command that serves the fast broker.
func newResponder(env *Env) *cobra.Command {
	var cfg responder.Config
	var duration time.Duration
	var tied bool
	c := &cobra.Command{
		Use:           "responder",
		Short:         "Serve a very fast broker with canned answers",
		Long:          responderLong,
		Example:       "  stress responder --listen 127.0.0.1:9092,127.0.0.2:9092 --delay 200us\n  stress responder --listen 0.0.0.0:9092 --advertise load-host:9092 --loops 2",
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if duration < 0 {
				return fmt.Errorf("--duration is %v, want 0 or more", duration)
			}
			return env.respond(c.Context(), cfg, duration, tied)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&cfg.Addrs, "listen", []string{"127.0.0.1:9092"}, "host:port,… to listen on, each a broker of the cluster; a single one may have port 0")
	f.StringSliceVar(&cfg.Advertise, "advertise", nil, "host:port,… that Metadata lists (default: what is listened on)")
	f.IntVar(&cfg.Loops, "loops", 1, "event loops, each on a thread of its own")
	f.DurationVar(&cfg.Delay, "delay", 0, "hold each answer back for so long")
	f.IntVar(&cfg.FetchBytes, "fetch-bytes", 0, "size of the records in each Fetch answer; 0 is none, else at least 128")
	f.IntVar(&cfg.Drop, "drop", 0, "leave every n-th request without an answer; 0 is none")
	f.StringVar(&cfg.Topic, "topic", defaultTopic, "the only topic")
	f.Int32Var(&cfg.Partitions, "partitions", 0, "of the topic (default: 4 for each broker)")
	f.DurationVar(&duration, "duration", 0, "for how long to serve; 0 is until interrupted")
	f.BoolVar(&tied, tiedFlag, false, "serve until standard input ends, whatever interrupts there are")
	_ = f.MarkHidden(tiedFlag) // fails only for a flag that is not there
	return c
}

// listeningOn begins the line that says where.
const listeningOn = "listening on "

// tiedFlag ties a responder to who has started it: it gets the same interrupts from the terminal, and must outlive them for the last answers, but not its
// parent.
const tiedFlag = "until-input-ends"

// respond serves until ctx ends, an interrupt arrives or the duration is over; a tied one until standard input ends.
func (env *Env) respond(ctx context.Context, cfg responder.Config, duration time.Duration, tied bool) error {
	if tied {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go env.awaitEnd(cancel)
	} else {
		var release func()
		ctx, release = env.watch(ctx, func() {}, func() {})
		defer release()
	}
	if cfg.Partitions == 0 {
		cfg.Partitions = int32(target.PartitionsPerBroker * max(len(cfg.Addrs), len(cfg.Advertise), 1))
	}
	r, err := responder.Start(cfg)
	if err != nil {
		return cannotStart(err)
	}
	addrs := strings.Join(r.Addrs(), ",")
	_, err = fmt.Fprintf(env.Stdout, "%s%s\n", listeningOn, addrs)
	var over <-chan time.Time
	if duration > 0 {
		timer := time.NewTimer(duration)
		defer timer.Stop()
		over = timer.C
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case <-over:
		case <-r.Done():
		}
	}
	failed := r.Err()
	s := r.Stats()
	closed := r.Close()
	if err == nil {
		_, err = fmt.Fprintf(env.Stdout, "%d requests, %d answered, %d dropped, %d bytes in, %d bytes out, %d connections, %d refused, %d ended for what they sent\n",
			s.Requests, s.Answers, s.Dropped, s.BytesIn, s.BytesOut, s.Connections, s.Refused, s.ClosedUnknown+s.ClosedMalformed)
	}
	if err != nil {
		return &exitError{ExitUnreported, fmt.Errorf("cannot write: %w", err)}
	}
	if failed = errors.Join(failed, closed); failed != nil {
		return &exitError{ExitFailures, failed}
	}
	return nil
}

// awaitEnd calls ended when standard input has ended. Started by respond; it ends with that input, for which nobody waits: the process ends meanwhile.
func (env *Env) awaitEnd(ended func()) {
	if env.Stdin != nil {
		_, _ = io.Copy(io.Discard, env.Stdin) // an error ends it as well
	}
	ended()
}
