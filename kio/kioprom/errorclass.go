package kioprom

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"kafkaio/frame"
	"kafkaio/kio"
)

// classOf is the class of an error that a hook is told of, by the meaning that it has in Stats.Errors: an error does not bear its class. What cannot be told from
// outside, such as broken TLS records, is ErrorNetwork.
func classOf(err error) kio.ErrorClass {
	var (
		panicked    *kio.PanicError
		correlation *kio.CorrelationError
		size        *frame.SizeError
		cut         *kio.CutError
	)
	switch {
	case errors.As(err, &panicked): // whatever its value may be
		return kio.ErrorPanic
	case errors.As(err, &correlation), errors.As(err, &size):
		return kio.ErrorProtocol
	case errors.Is(err, kio.ErrUnanswered), errors.Is(err, kio.ErrStalled), errors.Is(err, kio.ErrPoisoned):
		return kio.ErrorUnanswered
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return kio.ErrorTimeout
	case errors.Is(err, context.Canceled):
		return kio.ErrorCancelled
	case errors.Is(err, kio.ErrQueueFull):
		return kio.ErrorRefused
	case errors.As(err, &cut), errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return kio.ErrorPeer
	case errors.Is(err, net.ErrClosed):
		return kio.ErrorClosed
	default:
		return kio.ErrorNetwork
	}
}
