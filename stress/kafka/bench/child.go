package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"kafkaio/stress/kafka/internal/cluster"
	"kafkaio/stress/kafka/internal/topic"
)

// order is what the parent writes to a child's standard input, where no other process can read the password.
type order struct {
	Listener  string        `json:"listener"`
	API       string        `json:"api"`
	Conns     int           `json:"conns"`
	Callers   int           `json:"callers"`
	Peer      string        `json:"peer"`
	Addr      string        `json:"addr"`
	Topic     topic.Topic   `json:"topic"`
	Certs     cluster.Certs `json:"certs"`
	User      cluster.User  `json:"user"`
	Profile   string        `json:"profile,omitempty"`   // file for a CPU profile
	Yardstick string        `json:"yardstick,omitempty"` // the compiled C program
	WarmUp    time.Duration `json:"warmup_ns"`
	Length    time.Duration `json:"length_ns"`
}

// job is the order with its certificates read.
func (o order) job() (job, error) {
	s := &cluster.State{Certs: o.Certs}
	tlsConfig, err := s.TLS(o.Listener)
	return job{
		cell: cell{row{o.Listener, o.API, shape{o.Conns, o.Callers}}, o.Peer},
		addr: o.Addr, topic: o.Topic, tls: tlsConfig, user: o.User.Name, pass: o.User.Password,
	}, err
}

// child does one order and prints a line of JSON.
func child(ctx context.Context, in io.Reader, out io.Writer) error {
	var o order
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		return err
	}
	var r result
	j, err := o.job()
	if err == nil && o.Profile != "" {
		var stop func()
		if stop, err = profile(o.Profile); err == nil {
			defer stop()
		}
	}
	switch {
	case err != nil:
	case isYardstick(j.peer):
		r, err = measureYardstick(ctx, o, j)
	default:
		r, err = measure(ctx, j, o.WarmUp, o.Length)
	}
	if err != nil {
		r = result{Error: err.Error()}
	}
	return json.NewEncoder(out).Encode(r)
}

// profile writes a CPU profile until stop is called.
func profile(name string) (stop func(), err error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

// inChild starts a child for an order.
func inChild(ctx context.Context, self string, o order, procs int) result {
	ctx, cancel := context.WithTimeout(ctx, o.WarmUp+o.Length+2*time.Minute)
	defer cancel()
	in, err := json.Marshal(o)
	if err != nil {
		return result{Error: err.Error()}
	}
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, self, "-child")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &stdout, &stderr
	if procs > 0 {
		cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(procs))
	}
	if err := cmd.Run(); err != nil {
		return result{Error: childError(err, stderr.String()).Error()}
	}
	var r result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		r.Error = fmt.Sprintf("the child printed %q: %v", lastLine(stdout.String()), err)
	}
	return r
}

// childError is how a process failed, with the last that it said.
func childError(err error, stderr string) error { return fmt.Errorf("%w: %s", err, lastLine(stderr)) }

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
