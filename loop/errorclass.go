package loop

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"kafkaio/frame"
)

// ErrorClass tells why a request ended without its answer, or was not accepted.
type ErrorClass uint8

const (
	// ErrorTimeout: its deadline passed, or its context's.
	ErrorTimeout ErrorClass = iota
	// ErrorCancelled: its context was cancelled.
	ErrorCancelled
	// ErrorRefused: it was not accepted, because the connection holds as much as its limits allow.
	ErrorRefused
	// ErrorNoConnection: it was not accepted, because the connection has ended, or takes no new requests.
	ErrorNoConnection
	// ErrorClosed: this side closed its connection, by Close, Shutdown or Stop.
	ErrorClosed
	// ErrorPeer: the peer closed or reset its connection.
	ErrorPeer
	// ErrorProtocol: its connection was closed because of what the peer had sent.
	ErrorProtocol
	// ErrorUnanswered: its connection was given up, because the peer had stopped answering or reading.
	ErrorUnanswered
	// ErrorPanic: its connection was closed because a callback had panicked.
	ErrorPanic
	// ErrorNetwork: its connection failed in another way, most often by a timeout of TCP's own or for want of a route.
	ErrorNetwork

	errorClasses = iota
)

var errorClassNames = [errorClasses]string{
	ErrorTimeout:      "timeout",
	ErrorCancelled:    "cancelled",
	ErrorRefused:      "refused",
	ErrorNoConnection: "no connection",
	ErrorClosed:       "closed",
	ErrorPeer:         "peer",
	ErrorProtocol:     "protocol",
	ErrorUnanswered:   "unanswered",
	ErrorPanic:        "panic",
	ErrorNetwork:      "network",
}

// String is the class's name, as it can stand in the label of a metric.
func (c ErrorClass) String() string {
	if int(c) >= len(errorClassNames) {
		return "ErrorClass(" + strconv.Itoa(int(c)) + ")"
	}
	return errorClassNames[c]
}

// ErrorCounts are numbers of requests by the class of their error. The index is an [ErrorClass]; ranging over it gives all classes.
type ErrorCounts [errorClasses]uint64

// Total is the number of requests of all classes.
func (n *ErrorCounts) Total() uint64 {
	var sum uint64
	for _, v := range n {
		sum += v
	}
	return sum
}

// givenUp are those that were given up, refused those that were not accepted, failed those that ended with their connection: together all.
func (n *ErrorCounts) givenUp() uint64 { return n[ErrorTimeout] + n[ErrorCancelled] }
func (n *ErrorCounts) refused() uint64 { return n[ErrorRefused] + n[ErrorNoConnection] }
func (n *ErrorCounts) failed() uint64  { return n.Total() - n.givenUp() - n.refused() }

// String lists the classes that have any: "timeout 3, peer 1".
func (n ErrorCounts) String() string {
	var b strings.Builder
	for c, v := range n {
		if v == 0 {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(", ")
		}
		b.WriteString(errorClassNames[c] + " " + strconv.FormatUint(v, 10))
	}
	if b.Len() == 0 {
		return "none"
	}
	return b.String()
}

// ClassOf is the class of an error that a request has ended with. What was not accepted because its connection had ended before has the class of that end.
func ClassOf(err error) ErrorClass {
	class := endClass(err)
	switch {
	case class == ErrorPanic: // whatever its value may be
		return class
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded): // whatever cause its context was given
		return ErrorTimeout
	case errors.Is(err, context.Canceled):
		return ErrorCancelled
	case errors.Is(err, ErrQueueFull):
		return ErrorRefused
	default:
		return class
	}
}

// endClass is the class of what ended a connection.
func endClass(cause error) ErrorClass {
	var (
		panicked    *PanicError
		correlation *CorrelationError
		size        *frame.SizeError
		broken      *TLSError
		cut         *CutError
		truncated   *TruncatedError
	)
	switch {
	case errors.As(cause, &panicked): // whatever its value may be
		return ErrorPanic
	case errors.As(cause, &correlation), errors.As(cause, &size), errors.As(cause, &broken), errors.Is(cause, ErrEarlyAnswer), errors.Is(cause, ErrShortFrame):
		return ErrorProtocol
	case errors.Is(cause, ErrUnanswered), errors.Is(cause, ErrStalled), errors.Is(cause, ErrCutRequest), errors.Is(cause, errKeptTooMuch):
		return ErrorUnanswered
	case errors.As(cause, &cut), errors.As(cause, &truncated), errors.Is(cause, io.EOF), errors.Is(cause, syscall.ECONNRESET), errors.Is(cause, syscall.EPIPE):
		return ErrorPeer
	case errors.Is(cause, net.ErrClosed): // ErrClosed, ErrDraining, ErrStopped
		return ErrorClosed
	default:
		return ErrorNetwork
	}
}

// giveUpClass is the class of a request that was given up.
func giveUpClass(cause error) ErrorClass {
	if errors.Is(cause, errTimeout) {
		return ErrorTimeout
	}
	return ErrorCancelled
}

// failures are what a connection remembers of errors. Guarded by Conn.mu; made by the first one, so that a connection without errors does without.
type failures struct {
	counts ErrorCounts
	last   error
	lastAt int64
}

// countLocked counts n requests that ended without their answers, because of err.
func (c *Conn) countLocked(class ErrorClass, n int, err error) {
	if n == 0 {
		return
	}
	if class != ErrorNoConnection { // whose error has been noted when the connection ended
		c.noteLocked(err)
	} else if c.failures == nil {
		c.failures = new(failures)
	}
	c.failures.counts[class] += uint64(n)
}

// noteLocked remembers the last error.
func (c *Conn) noteLocked(err error) {
	if c.failures == nil {
		c.failures = new(failures)
	}
	c.failures.last, c.failures.lastAt = err, now()
}

// refusedLocked counts a request that was not accepted.
func (c *Conn) refusedLocked(err error) {
	class := ErrorRefused
	if c.state != stateOpen {
		class = ErrorNoConnection
	}
	c.countLocked(class, 1, err)
}
