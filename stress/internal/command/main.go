package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// The exit codes.
const (
	ExitOK          = 0   // nothing failed
	ExitFailures    = 1   // requests or connections failed
	ExitCannotStart = 2   // wrong usage, a limit that is too small, or no brokers: nothing was sent
	ExitBroken      = 3   // sent = ok + failed + unanswered does not hold
	ExitUnreported  = 4   // the report could not be written
	ExitInterrupted = 130 // interrupted before anything was sent, or for the second time
)

// Env is what a command gets from the process that it runs in.
type Env struct {
	Args       []string
	Stdin      io.Reader // read only where the command is told to end with it; nil has ended
	Stdout     io.Writer
	Stderr     io.Writer
	Interrupts <-chan os.Signal // the first ends the load, the second the process; nil is none
	Exit       func(code int)   // called for the second interrupt, and only then
}

// errInterrupted is the cause of a context that an interrupt has ended.
var errInterrupted = errors.New("interrupted")

// exitError carries an exit code through cobra.
type exitError struct {
	code int
	err  error // nil: all has been said
}

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// cannotStart is the end of a command that has not sent anything.
func cannotStart(err error) error {
	if errors.Is(err, errInterrupted) {
		return &exitError{ExitInterrupted, errors.New("interrupted before anything was sent")}
	}
	return &exitError{ExitCannotStart, err}
}

// Main runs the command and returns its exit code.
func Main(env Env) int {
	root := newRoot(&env)
	root.SetArgs(env.Args)
	root.SetOut(env.Stdout)
	root.SetErr(env.Stderr)
	err := root.ExecuteContext(context.Background())
	if err == nil {
		return ExitOK
	}
	var exit *exitError
	if !errors.As(err, &exit) {
		_, _ = fmt.Fprintf(env.Stderr, "stress: %v\nTry stress --help.\n", err) // nobody is left to tell of an error
		return ExitCannotStart
	}
	if exit.err != nil {
		_, _ = fmt.Fprintf(env.Stderr, "stress: %v\n", exit.err)
	}
	return exit.code
}

// watch gives a context that the first interrupt ends, after telling first; the second exits. release ends the watching and waits for it.
func (env *Env) watch(ctx context.Context, first, second func()) (_ context.Context, release func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	var watcher sync.WaitGroup
	watcher.Add(1)
	go env.awaitInterrupts(cancel, first, second, done, &watcher)
	return ctx, func() {
		close(done)
		watcher.Wait()
		cancel(nil)
	}
}

// awaitInterrupts is started by watch and ended by its release, which waits for it.
func (env *Env) awaitInterrupts(cancel context.CancelCauseFunc, first, second func(), done <-chan struct{}, watcher *sync.WaitGroup) {
	defer watcher.Done()
	for n := 0; ; n++ {
		select {
		case <-env.Interrupts:
		case <-done:
			return
		}
		if n > 0 {
			second()
			env.Exit(ExitInterrupted)
			return
		}
		first()
		cancel(errInterrupted)
	}
}
