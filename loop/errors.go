package loop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"kafkaio/frame"
)

var (
	// ErrClosed is the cause of requests on a connection that its own side has closed. It matches net.ErrClosed.
	ErrClosed error = &sentinel{"connection is closed", net.ErrClosed}

	// ErrDraining refuses requests on a connection whose Shutdown has begun. It matches net.ErrClosed: the answer is the same, use another connection.
	ErrDraining error = &sentinel{"connection is shutting down and takes no new requests", net.ErrClosed}

	// ErrStopped refuses work on an engine that has been stopped. It matches net.ErrClosed.
	ErrStopped error = &sentinel{"engine is stopped", net.ErrClosed}

	// ErrQueueFull refuses a request because the connection already holds as many requests or bytes as its limits allow, or its engine as many bytes.
	ErrQueueFull = errors.New("too many requests or bytes are queued on this connection, or bytes on its engine: " +
		"send later, raise the limit, or use another connection")

	// ErrUnanswered closes a connection on which too many abandoned requests wait for their answers, or one waits for too long.
	ErrUnanswered = errors.New("the peer has stopped answering: abandoned requests went unanswered beyond their limit")

	// ErrCutRequest closes a connection whose peer stopped reading in the middle of a request that was then given up:
	// what follows on the wire could not be told apart from the rest of that request.
	ErrCutRequest = errors.New("a request was given up with only part of it sent, which makes the connection unusable")

	// ErrStalled closes a connection whose peer has taken no byte of a write for as long as MaxStall allows.
	ErrStalled = errors.New("the peer has stopped reading: a write has made no progress for as long as it may")

	// ErrEarlyAnswer closes a connection whose peer answered a request of which it cannot have seen a byte.
	ErrEarlyAnswer = errors.New("answer to a request that has not been sent yet")

	// ErrShortFrame closes a connection on which an answer arrived that is too short for a correlation id.
	ErrShortFrame = errors.New("answer is shorter than the 4 bytes of a correlation id")

	// ErrNotRegistered is returned by a dial when the event loop could not register the connection, most often for lack of descriptors.
	ErrNotRegistered = errors.New("the event loop could not register the connection")

	// ErrOnLoop refuses an operation that waits for the event loop and was called from one of its callbacks.
	ErrOnLoop = errors.New("called from a callback on the event loop, where it would wait for itself: use another goroutine")

	// errShortRequest refuses what cannot be a request.
	errShortRequest = fmt.Errorf("request is shorter than the %d bytes of a request header", minRequestBytes)

	// errTimeout ends what has passed its deadline, also when the deadline came from a context.
	errTimeout error = timeoutError{}
)

// sentinel is an error of ours that also answers to one of the standard library's.
type sentinel struct {
	text string
	std  error
}

func (s *sentinel) Error() string { return s.text }
func (s *sentinel) Unwrap() error { return s.std }

// timeoutError matches os.ErrDeadlineExceeded and context.DeadlineExceeded: whichever clock noticed first, callers see one error.
type timeoutError struct{}

func (timeoutError) Error() string { return "deadline exceeded" }
func (timeoutError) Timeout() bool { return true }
func (timeoutError) Is(target error) bool {
	return target == os.ErrDeadlineExceeded || target == context.DeadlineExceeded
}

// OpError is the error of one operation on one connection.
type OpError struct {
	Op     string // "dial", "request", "send", "receive"
	Addr   string // the peer as it was given to Dial
	Err    error  // the cause; never nil
	Unsent bool   // no byte of the request can have reached the peer

	Elapsed time.Duration // since the operation began; 0 where that was not measured
}

// Error implements error.
func (e *OpError) Error() string {
	if e.Addr == "" {
		return e.Op + ": " + e.Err.Error()
	}
	return e.Op + " " + e.Addr + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *OpError) Unwrap() error { return e.Err }

// Timeout reports whether a deadline ended the operation.
func (e *OpError) Timeout() bool { return isTimeout(e.Err) }

// SafeToRetry reports whether no byte of the request can have reached the peer.
func (e *OpError) SafeToRetry() bool { return e.Unsent }

// CorrelationError closes a connection whose peer answered out of order or something that was never asked. A broker answers the requests
// of one connection in their order (protocol guide, "Network"), so anything else means that the byte stream cannot be trusted any more.
type CorrelationError struct {
	Want frame.CorrelationID // the oldest request in flight
	Got  frame.CorrelationID
	Idle bool // nothing was in flight; Want is meaningless
}

// Error implements error.
func (e *CorrelationError) Error() string {
	if e.Idle {
		return fmt.Sprintf("answer with correlation id %d, but no request is in flight", e.Got)
	}
	return fmt.Sprintf("answer with correlation id %d, but the oldest request in flight is %d", e.Got, e.Want)
}

// CutError closes a connection whose peer ended it in the middle of an answer. It matches io.ErrUnexpectedEOF.
type CutError struct {
	Have int // bytes of the answer that arrived
	Want int // bytes that its size prefix promised; 0 when the prefix itself was cut
}

// Error implements error.
func (e *CutError) Error() string {
	if e.Want == 0 {
		return "the peer closed the connection in the middle of a size prefix"
	}
	return fmt.Sprintf("the peer closed the connection after %d of the %d bytes of an answer", e.Have, e.Want)
}

// Unwrap gives io.ErrUnexpectedEOF.
func (e *CutError) Unwrap() error { return io.ErrUnexpectedEOF }

// PanicError closes a connection whose callback panicked. The panic is recovered so that it cannot take the loop's other connections with it.
type PanicError struct {
	Value any
	Stack []byte // of the panicking callback
}

// Error implements error. The stack is left to who prints it.
func (e *PanicError) Error() string { return fmt.Sprintf("callback panicked: %v", e.Value) }

// Unwrap gives the panic's value where that was an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
