package command

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"kafkaio/stress/internal/responder"
)

const (
	// besideTries is how often a responder is started where a port was taken before it could listen. Guessed.
	besideTries = 3

	// besidePatience is how long a responder may take to end before it is killed. Guessed.
	besidePatience = 5 * time.Second
)

// beside is a responder in a process of its own, so that nothing of what it takes is in our figures. It ends with its standard input, and so with us in
// any case.
type beside struct {
	addrs  []string
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout io.Reader
}

// startBeside runs brokers, each at a loopback address of its own. stop must be called.
func (env *Env) startBeside(ctx context.Context, brokers int) (*beside, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		b, err := env.tryBeside(ctx, self, brokers)
		if err == nil || try == besideTries || ctx.Err() != nil {
			return b, err
		}
	}
}

func (env *Env) tryBeside(ctx context.Context, self string, brokers int) (*beside, error) {
	addrs, err := responder.Loopback(brokers)
	if err != nil {
		return nil, err
	}
	// Not with ctx, which an interrupt ends: the last answers are still to come then.
	cmd := exec.Command(self, "responder", "--listen", strings.Join(addrs, ","), "--"+tiedFlag)
	var said strings.Builder
	cmd.Stderr = &said
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	b := &beside{addrs: addrs, cmd: cmd, stdin: stdin}
	hurry := context.AfterFunc(ctx, func() { _ = stdin.Close() }) // which ends it, and the line does not come
	in := bufio.NewReader(stdout)
	line, err := in.ReadString('\n')
	b.stdout = in
	if !hurry() || err != nil || !strings.HasPrefix(line, listeningOn) {
		ended := b.stop()
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("the responder beside this process did not begin: %w: %s", ended, strings.TrimSpace(said.String()))
	}
	return b, nil
}

// stop ends it and waits for it. The error is that it did not end well.
func (b *beside) stop() error {
	_ = b.stdin.Close()
	timer := time.AfterFunc(besidePatience, func() { _ = b.cmd.Process.Kill() })
	defer timer.Stop()
	_, _ = io.Copy(io.Discard, b.stdout) // its totals, which ours have as well
	return b.cmd.Wait()
}
