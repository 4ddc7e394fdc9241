package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"kafkaio/stress/internal/yardstick"
	"kafkaio/stress/peers/internal/report"
	"kafkaio/stress/peers/internal/work"
)

// parent runs the measurements. One goroutine at a time.
type parent struct {
	options
	self       string // this binary
	dir        string // for files that the children read, gone at the end
	tlsDir     string // in it, with the certificates; "" until a work needs them
	yardstick  string // the compiled C program; "" where there is none
	noC        string // why
	responders map[responderKey]*responderProcess
	results    report.Collection
	progress   io.Writer
}

// settle is how long the responder gets to close the connections of a child
// that had thousands.
const settle = 300 * time.Millisecond

// measureAll is a run: all modes, then the targets.
func measureAll(ctx context.Context, o options, out, progress io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	p := &parent{options: o, self: self, dir: dir, progress: progress, responders: map[responderKey]*responderProcess{}}
	defer p.stopResponders()
	if p.yardstick, err = yardstick.Build(ctx, dir); err != nil {
		p.noC = err.Error()
		p.say("without the C yardsticks: %v", err)
	}
	selections := o.selections()
	if len(selections) == 0 {
		return errors.New("nothing to measure: no peer chosen can do a work chosen")
	}
	p.say("this takes about %v", p.estimate(selections).Round(time.Second))
	if err := writeMachine(out, o.style); err != nil {
		return err
	}
	for _, s := range selections {
		if err := p.measureMode(ctx, s); err != nil {
			return err
		}
		if err := writeHeading(out, o, s.Mode); err != nil {
			return err
		}
		if err := report.WriteTable(out, o.style, s, &p.results); err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out); err != nil {
			return err
		}
		if ctx.Err() != nil {
			break
		}
	}
	ok, err := report.WriteTargets(out, o.style, selections, &p.results)
	switch {
	case err != nil:
		return err
	case ctx.Err() != nil:
		return errors.New("interrupted: the tables have what was measured until then")
	case o.check && !ok:
		return errTargets
	}
	return nil
}

// say writes a line of progress, to nobody's sorrow if it cannot.
func (p *parent) say(format string, args ...any) {
	_, _ = fmt.Fprintf(p.progress, format+"\n", args...)
}

func writeHeading(out io.Writer, o options, mode string) error {
	mark := ""
	if o.style == report.Markdown {
		mark = "### "
	}
	_, err := fmt.Fprintf(out, "%s%s: medians of %d rounds of %v\n\n", mark, mode, o.rounds, o.durations.Window)
	return err
}

// measureMode does all rounds of a mode. Within a round the peers of a work
// follow each other, so that what the machine does meanwhile meets all.
func (p *parent) measureMode(ctx context.Context, s report.Selection) error {
	for round := range p.rounds {
		for _, w := range s.Works {
			if w.Rounds > 0 && round >= w.Rounds {
				continue
			}
			addrs, err := p.addrs(ctx, s.Mode, w)
			if err != nil {
				return err
			}
			for _, who := range s.Peers[w.Name] {
				if ctx.Err() != nil {
					return nil
				}
				p.measure(ctx, report.Key{Mode: s.Mode, Work: w.Name, Peer: who}, w, addrs, round)
			}
		}
	}
	return nil
}

// measure does one measurement and notes it.
func (p *parent) measure(ctx context.Context, k report.Key, w work.Work, addrs []string, round int) {
	if p.results.Absent(k) {
		return
	}
	r := p.once(ctx, k, w, addrs)
	if ctx.Err() != nil {
		return // cut short
	}
	p.results.Add(k, r)
	what := fmt.Sprintf("%.3f %s", w.Metric.Of(r), strings.TrimSpace(w.Metric.Unit+" "+w.Metric.Name))
	if r.Error != "" {
		what = r.Error
	}
	p.say("%s %d/%d %s %s: %s", k.Mode, round+1, p.rounds, w.Name, k.Peer, what)
	if w.Conns >= 1000 {
		time.Sleep(settle)
	}
}

// once runs a child process.
func (p *parent) once(ctx context.Context, k report.Key, w work.Work, addrs []string) work.Result {
	d := w.Shorten(p.durations)
	ctx, cancel := context.WithTimeout(ctx, d.WarmUp+3*d.Window+2*time.Minute)
	defer cancel()
	mode, isC := work.Yardsticks[k.Peer]
	var cmd *exec.Cmd
	switch {
	case isC && p.yardstick == "":
		return work.Result{Error: p.noC, Unavailable: true}
	case isC:
		cmd = exec.CommandContext(ctx, p.yardstick, yardstickRun(mode, w, d, addrs).Args()...)
	default:
		cmd = exec.CommandContext(ctx, p.self, "-child", "-work", w.Name, "-peer", k.Peer,
			"-addr", strings.Join(addrs, ","), "-window", d.Window.String(), "-warmup", d.WarmUp.String(), "-tls", p.tlsDir)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := startPinned(cmd, k.Mode == report.Pinned, firstCPU)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		return work.Result{Error: fmt.Sprintf("%v: %s", err, lastLine(stderr.String()))}
	}
	if isC {
		return yardstickResult(stdout.Bytes())
	}
	var r work.Result
	if err := json.Unmarshal(stdout.Bytes(), &r); err != nil {
		r.Error = fmt.Sprintf("child printed %q: %v", lastLine(stdout.String()), err)
	}
	return r
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// yardstickRun is a work as the C program does it.
func yardstickRun(mode string, w work.Work, d work.Durations, addrs []string) yardstick.Run {
	return yardstick.Run{Mode: mode, Count: max(w.Conns, w.Callers), Frame: w.Frame(), Addrs: addrs, WarmUp: d.WarmUp, Window: d.Window}
}

func yardstickResult(out []byte) work.Result {
	r, err := yardstick.Parse(out)
	if err != nil {
		return work.Result{Error: err.Error()}
	}
	return work.Result{
		Requests: r.Requests, Seconds: r.Seconds, CPUSeconds: r.CPUSeconds, AnswerBytes: r.AnswerBytes,
		Samples: r.Samples, P50: r.P50, P99: r.P99, P999: r.P999, Max: r.Max,
	}
}

// estimate is how long a run takes, with what a child needs to start and to
// open its connections.
func (p *parent) estimate(selections []report.Selection) time.Duration {
	const start = 100 * time.Millisecond
	const perThousand = 150 * time.Millisecond
	const perThousandBrokers = 3 * time.Second // ours begins 1,000 attempts a second; and a busy client is watched until it is quiet
	const perHandshake = 3 * time.Millisecond  // both ends on a CPU each
	var total time.Duration
	for _, s := range selections {
		for _, w := range s.Works {
			d := w.Shorten(p.durations)
			each := start + time.Duration(w.Conns/1000)*perThousand
			if w.Security != work.Plaintext {
				each += time.Duration(w.Conns) * perHandshake
			}
			if w.Brokers > 0 {
				each += perThousandBrokers * time.Duration(w.Brokers) / 1000
			}
			if !w.Idle && !w.Setup {
				each += d.WarmUp + d.Window
			}
			if w.Conns >= 1000 {
				each += settle
			}
			rounds := p.rounds
			if w.Rounds > 0 {
				rounds = min(rounds, w.Rounds)
			}
			total += time.Duration(rounds*len(s.Peers[w.Name])) * each
		}
	}
	return total
}
