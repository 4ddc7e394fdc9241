package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/peers/internal/drive"
	"kafkaio/stress/peers/internal/front"
	"kafkaio/stress/peers/internal/identity"
	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// child does one work with one peer and prints a line of JSON.
func child(ctx context.Context, args []string, out io.Writer) error {
	f := flag.NewFlagSet("bench -child", flag.ContinueOnError)
	name := f.String("work", "", "")
	who := f.String("peer", "", "")
	addrs := f.String("addr", "", "")
	window := f.Duration("window", 0, "")
	warm := f.Duration("warmup", 0, "")
	identities := f.String("tls", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	w, ok := work.Find(*name)
	if !ok {
		return fmt.Errorf("no work %q", *name)
	}
	open, err := opener(*who)
	if err != nil {
		return err
	}
	e := peer.Env{Work: w, Addrs: split(*addrs)}
	if w.Security != work.Plaintext {
		if e.TLS, err = identity.Client(*identities); err != nil {
			return err
		}
	}
	r, err := drive.Run(ctx, open, e, work.Durations{WarmUp: *warm, Window: *window})
	if err != nil {
		r = work.Result{Error: err.Error(), Unavailable: errors.Is(err, peer.ErrUnavailable)}
	}
	return json.NewEncoder(out).Encode(r)
}

// withheld are the requests of a busy work, which are not answered: kafka-go
// sends the second, as its Transport chooses the broker by the partition.
var withheld = []int16{int16(kmsg.Heartbeat), int16(kmsg.Fetch)}

// listening is the line that a responder process prints.
type listening struct {
	Addrs []string `json:"addrs"`
}

// serve is a responder process: it prints where it listens and serves until
// its standard input ends, so that it never outlives its parent.
func serve(args []string, in io.Reader, out io.Writer) error {
	f := flag.NewFlagSet("bench -responder", flag.ContinueOnError)
	addrs := f.String("addr", "", "")
	fetch := f.Int("fetch", 0, "")
	partitions := f.Int("partitions", 0, "")
	busy := f.Bool("busy", false, "")
	identities := f.String("tls", "", "")
	security := f.Int("security", int(work.Plaintext), "")
	if err := f.Parse(args); err != nil {
		return err
	}
	cfg := responder.Config{Addrs: split(*addrs), FetchBytes: *fetch, Topic: work.Topic, Partitions: int32(*partitions)}
	if *busy {
		cfg.Withhold = withheld
	}
	if s := work.Security(*security); s != work.Plaintext {
		return serveTLS(cfg, *identities, s, in, out)
	}
	r, err := responder.Start(cfg)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(listening{r.Addrs()}); err != nil {
		return err
	}
	select {
	case <-endOf(in):
		return r.Close()
	case <-r.Done():
		return r.Err()
	}
}

// serveTLS is serve for connections over TLS.
func serveTLS(cfg responder.Config, identities string, s work.Security, in io.Reader, out io.Writer) error {
	id, err := identity.Server(identities, s)
	if err != nil {
		return err
	}
	f, err := front.Start(front.Config{Addrs: cfg.Addrs, TLS: id, Answers: cfg})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(out).Encode(listening{f.Addrs()}); err != nil {
		return err
	}
	<-endOf(in)
	return errors.Join(f.Failed(), f.Close())
}

// endOf is closed at the end of in.
func endOf(in io.Reader) <-chan struct{} {
	ended := make(chan struct{})
	go func() { // ends with the parent; then so does the process
		_, _ = io.Copy(io.Discard, in)
		close(ended)
	}()
	return ended
}
