package main

import (
	"context"
	"os"
	"os/exec"
	"slices"
	"strings"

	"kafkaio/kio"
	"kafkaio/stress/internal/yardstick"
)

// isYardstick says whether the peer is the C program. It is no client: it takes each answer to be as long as the first one and reads nothing of it. So it
// tells what the kernel's part is.
func isYardstick(peer string) bool { return peer == cEpoll || peer == cRest }

// yardstickMode is the program's for a cell that it can do.
func yardstickMode(c cell) string {
	switch {
	case c.peer == cEpoll && c.shape.conns == 1:
		return yardstick.EpollPipe
	case c.peer == cEpoll:
		return yardstick.EpollMany
	case c.shape.conns == 1:
		return yardstick.RestPipe
	default:
		return yardstick.RestMany
	}
}

// buildYardstick compiles the program if one of the peers is it. remove is never nil.
func buildYardstick(ctx context.Context, peers []string) (program string, remove func(), err error) {
	if !slices.ContainsFunc(peers, isYardstick) {
		return "", func() {}, nil
	}
	dir, err := os.MkdirTemp("", "kafkaio-yardstick-*")
	if err != nil {
		return "", func() {}, err
	}
	remove = func() { _ = os.RemoveAll(dir) }
	program, err = yardstick.Build(ctx, dir)
	return program, remove, err
}

// measureYardstick has the program do the order. Our client asks once before, so that the request is one that the broker answers well.
func measureYardstick(ctx context.Context, o order, j job) (result, error) {
	b, err := kio.DialBroker(ctx, j.addr, kio.Config{Timeout: timeout, DialTimeout: timeout, ClientID: clientID})
	if err != nil {
		return result{}, err
	}
	request, err := negotiated(ctx, b, j)
	addr := b.RemoteAddr().String() // the program takes no names
	_ = b.Close()
	if err != nil {
		return result{}, err
	}
	run := yardstick.Run{
		Mode: yardstickMode(j.cell), Count: j.shape.callers, Frame: request, Addrs: []string{addr}, WarmUp: o.WarmUp, Window: o.Length,
	}
	cmd := exec.CommandContext(ctx, o.Yardstick, run.Args()...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return result{}, childError(err, stderr.String())
	}
	r, err := yardstick.Parse(out)
	return result{Requests: int(r.Requests), Seconds: r.Seconds, CPUSeconds: r.CPUSeconds, P50: r.P50, P99: r.P99}, err
}
