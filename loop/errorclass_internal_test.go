package loop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"testing"

	"kafkaio/frame"
)

func TestEndClass(t *testing.T) {
	for _, tt := range []struct {
		cause error
		want  ErrorClass
	}{
		{ErrClosed, ErrorClosed},
		{ErrDraining, ErrorClosed},
		{ErrStopped, ErrorClosed},
		{io.EOF, ErrorPeer},
		{os.NewSyscallError("read", syscall.ECONNRESET), ErrorPeer},
		{os.NewSyscallError("write", syscall.EPIPE), ErrorPeer},
		{&CutError{Have: 1, Want: 2}, ErrorPeer},
		{&TruncatedError{}, ErrorPeer},
		{&CorrelationError{}, ErrorProtocol},
		{&frame.SizeError{Size: -1}, ErrorProtocol},
		{&TLSError{Err: errors.New("bad record MAC")}, ErrorProtocol},
		{ErrShortFrame, ErrorProtocol},
		{ErrEarlyAnswer, ErrorProtocol},
		{ErrUnanswered, ErrorUnanswered},
		{ErrCutRequest, ErrorUnanswered},
		{ErrStalled, ErrorUnanswered},
		{errKeptTooMuch, ErrorUnanswered},
		{&PanicError{Value: "oops"}, ErrorPanic},
		{&PanicError{Value: io.EOF}, ErrorPanic},
		{&PanicError{Value: net.ErrClosed}, ErrorPanic},
		{os.NewSyscallError("read", syscall.ETIMEDOUT), ErrorNetwork},
		{syscall.EHOSTUNREACH, ErrorNetwork},
		{errors.New("something new"), ErrorNetwork},
	} {
		for _, cause := range []error{tt.cause, fmt.Errorf("wrapped: %w", tt.cause)} {
			if got := endClass(cause); got != tt.want {
				t.Errorf("%v is of class %v, want %v", cause, got, tt.want)
			}
			if got := ClassOf(&OpError{Op: "request", Err: cause}); got != tt.want {
				t.Errorf("%v of a request is of class %v, want %v", cause, got, tt.want)
			}
		}
	}
}

func TestGiveUpClass(t *testing.T) {
	cancelled, cancel := context.WithCancelCause(context.Background())
	cancel(errors.New("a reason"))
	late, stop := context.WithTimeoutCause(context.Background(), 0, errors.New("a reason"))
	defer stop()
	<-late.Done()
	for _, tt := range []struct {
		cause error
		want  ErrorClass
	}{
		{errTimeout, ErrorTimeout},
		{contextError(late), ErrorTimeout},
		{contextError(cancelled), ErrorCancelled},
		{context.Canceled, ErrorCancelled},
	} {
		if got := giveUpClass(tt.cause); got != tt.want {
			t.Errorf("%v is of class %v, want %v", tt.cause, got, tt.want)
		}
		if got := ClassOf(tt.cause); got != tt.want {
			t.Errorf("%v of a request is of class %v, want %v", tt.cause, got, tt.want)
		}
	}
	if got := ClassOf(ErrQueueFull); got != ErrorRefused {
		t.Errorf("a full queue is of class %v", got)
	}
}

func TestErrorClassNames(t *testing.T) {
	seen := make(map[string]bool)
	for c := range new(ErrorCounts) {
		s := ErrorClass(c).String() //nolint:gosec // fewer than 256
		if s == "" || seen[s] {
			t.Errorf("class %d is named %q, which is empty or another one's", c, s)
		}
		seen[s] = true
	}
	for _, tt := range []struct {
		got, want string
	}{
		{ErrorTimeout.String(), "timeout"},
		{ErrorNetwork.String(), "network"},
		{ErrorClass(errorClasses).String(), "ErrorClass(10)"},
		{ErrorCounts{}.String(), "none"},
		{ErrorCounts{ErrorTimeout: 3, ErrorPeer: 1}.String(), "timeout 3, peer 1"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
}

func TestErrorCountsAddUp(t *testing.T) {
	var n ErrorCounts
	for c := range n {
		n[c] = 1 << c
	}
	if n.givenUp()+n.refused()+n.failed() != n.Total() || n.Total() != 1<<len(n)-1 {
		t.Errorf("given up %b, refused %b, failed %b of %b", n.givenUp(), n.refused(), n.failed(), n.Total())
	}
}
