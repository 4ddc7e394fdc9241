package load_test

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
	"kafkaio/kio"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/workload"
)

func TestClassify(t *testing.T) {
	wrap := func(code kio.Code, err error) error {
		return fmt.Errorf("outer: %w", &kio.Error{Op: "submit", Code: code, Err: err})
	}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{wrap(0, os.ErrDeadlineExceeded), "timeout"},
		{wrap(0, context.DeadlineExceeded), "timeout"},
		{wrap(0, kio.ErrPoisoned), "timeout"},
		{wrap(0, syscall.ETIMEDOUT), "timeout"},
		{wrap(0, &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}), "refused"},
		{wrap(0, syscall.ECONNRESET), "reset"},
		{wrap(0, syscall.EPIPE), "reset"},
		{wrap(0, io.EOF), "eof"},
		{wrap(0, io.ErrUnexpectedEOF), "eof"},
		{wrap(0, net.ErrClosed), "closed"},
		{wrap(0, kio.ErrDraining), "closed"},
		{wrap(0, kio.ErrQueueFull), "queue-full"},
		{wrap(0, kio.ErrUnanswered), "silent"},
		{wrap(0, context.Canceled), "cancelled"},
		{wrap(0, syscall.EHOSTUNREACH), "unreachable"},
		{wrap(0, &net.DNSError{Err: "no such host"}), "name"},
		{wrap(0, os.NewSyscallError("socket", syscall.EMFILE)), "local:descriptors"},
		{wrap(0, os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)), "local:ports"},
		{wrap(kio.CodeCorrelation, errors.New("out of step")), "protocol"},
		{wrap(kio.CodeNotReceived, errors.New("what?")), "protocol"},
		{wrap(0, &frame.SizeError{}), "protocol"},
		{&workload.MalformedError{Err: io.ErrUnexpectedEOF}, "protocol"},
		{&workload.BrokerError{Code: 6}, "kafka:NOT_LEADER_FOR_PARTITION"},
		{&workload.BrokerError{Code: 3}, "kafka:UNKNOWN_TOPIC_OR_PARTITION"},
		{errors.New("something"), "other"},
	} {
		if got := load.Classify(tt.err); got != tt.want {
			t.Errorf("Classify(%v) = %q, want %q", tt.err, got, tt.want)
		}
	}
}
