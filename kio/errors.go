package kio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode"

	"kafkaio/loop"
)

// Code classifies an error by the number that the original module, Kafka::IO, gave it.
type Code int

// The codes of Kafka::IO (Kafka::Exceptions).
const (
	CodeInvalidArgument   Code = -1000 // an argument is out of its bounds; nothing was done
	CodeCannotSend        Code = -1001 // sending failed
	CodeNoAcknowledgement Code = -1002 // sent, at least in part, and not answered
	CodeCannotReceive     Code = -1003 // receiving failed
	CodeCannotConnect     Code = -1004 // resolving or connecting failed
	CodeCorrelation       Code = -1009 // an answer does not belong to the oldest request in flight
	CodeNotReceived       Code = -1016 // an answer arrived that cannot be read
	CodeIPVersion         Code = -1017 // the host and the IP version do not fit
	CodeNoConnection      Code = -1018 // there is no connection (any more), and nothing was sent or received
)

// String is the original's text for the code.
func (c Code) String() string {
	switch c {
	case CodeInvalidArgument:
		return "invalid argument"
	case CodeCannotSend:
		return "cannot send"
	case CodeNoAcknowledgement:
		return "no acknowledgement for sent request"
	case CodeCannotReceive:
		return "cannot receive"
	case CodeCannotConnect:
		return "cannot connect to broker"
	case CodeCorrelation:
		return "mismatched correlation id"
	case CodeNotReceived:
		return "response message not received"
	case CodeIPVersion:
		return "host name and IP version do not fit"
	case CodeNoConnection:
		return "no connection"
	default:
		return "unknown error"
	}
}

// Errors that callers look for beside those of the standard library.
var (
	// ErrQueueFull is the cause where a request was refused because its connection holds as much as its limits allow, or its engine.
	ErrQueueFull = loop.ErrQueueFull
	// ErrDraining is the cause where a request was refused because Shutdown has begun. It matches net.ErrClosed.
	ErrDraining = loop.ErrDraining
	// ErrUnanswered is the cause where a connection was closed because its broker stopped answering.
	ErrUnanswered = loop.ErrUnanswered
	// ErrStalled is the cause where a connection was closed because its broker took nothing of what was being sent for Config.MaxStall.
	ErrStalled = loop.ErrStalled
	// ErrPoisoned is the cause where a connection was closed because a request or a message was given up in the middle of its bytes.
	ErrPoisoned = loop.ErrCutRequest
)

// CorrelationError is the cause where a connection was closed because its broker answered out of order, or something that was never asked.
type CorrelationError = loop.CorrelationError

// CutError is the cause where a broker ended the connection in the middle of an answer. It matches io.ErrUnexpectedEOF.
type CutError = loop.CutError

// PanicError is the cause where a connection was closed because a callback of Submit panicked, or where a Cluster could not connect because a callback of its
// Config did.
type PanicError = loop.PanicError

// Error is the error of every operation of this package. errors.Is finds the cause: os.ErrDeadlineExceeded and context.DeadlineExceeded
// after a deadline, context.Canceled, net.ErrClosed, io.EOF, an errno, or one of the package's own.
type Error struct {
	Op      string        // "dial", "send", "receive", "request", "submit", "shutdown", …
	Addr    string        // host:port as given; empty where none was
	Code    Code          // the class of the error
	Bytes   int           // bytes moved before the error
	Want    int           // bytes that were to be moved; 0 where the operation does not count
	Elapsed time.Duration // since the operation began; 0 where that was not measured
	Err     error         // the cause; never nil
	unsent  bool

	MappedTo string // where Config.MapAddr has sent the connection in Addr's stead; empty where it has not
}

// Error tells operation, peer, class, cause, and how far it got.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("kio: ")
	b.WriteString(e.Op)
	if e.Addr != "" {
		b.WriteString(" ")
		b.WriteString(plain(e.Addr))
	}
	if e.MappedTo != "" {
		b.WriteString(" (mapped to " + plain(e.MappedTo) + ")")
	}
	fmt.Fprintf(&b, ": %v (%d): %v", e.Code, int(e.Code), e.Err)
	if e.Want > 0 {
		fmt.Fprintf(&b, " after %d of %d bytes", e.Bytes, e.Want)
	}
	if e.Elapsed > 0 {
		fmt.Fprintf(&b, ", %v elapsed", e.Elapsed.Round(time.Microsecond))
	}
	return b.String()
}

// plain is an address as it can stand in a line of text: quoted where it could be mistaken for something else.
func plain(addr string) string {
	odd := func(r rune) bool { return !unicode.IsPrint(r) || r == ' ' }
	if strings.ContainsFunc(addr, odd) {
		return strconv.Quote(addr)
	}
	return addr
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// Timeout reports whether a deadline ended the operation, as net.Error has it.
func (e *Error) Timeout() bool { return errors.Is(e.Err, os.ErrDeadlineExceeded) }

// Temporary implements net.Error, where it is deprecated; it reports what Timeout does.
func (e *Error) Temporary() bool { return e.Timeout() }

// SafeToRetry reports whether no byte of the request can have reached the broker, so that sending it again cannot make it happen twice.
func (e *Error) SafeToRetry() bool { return e.unsent }

var _ net.Error = (*Error)(nil)

// invalid is the error of an argument out of its bounds.
func invalid(op, addr, format string, args ...any) *Error {
	return &Error{Op: op, Addr: addr, Code: CodeInvalidArgument, Err: fmt.Errorf(format, args...), unsent: true}
}

// wrapOp turns an error of the loop into ours. The code says how far the request got.
func wrapOp(op, addr string, err error) *Error {
	e := &Error{Op: op, Addr: addr, Err: err}
	var o *loop.OpError
	if errors.As(err, &o) {
		e.Err, e.unsent, e.Elapsed = o.Err, o.Unsent, o.Elapsed
	}
	var correlation *loop.CorrelationError
	switch {
	case errors.Is(err, loop.ErrOnLoop):
		e.Code = CodeInvalidArgument
	case e.unsent && (e.Timeout() || errors.Is(err, context.Canceled) || errors.Is(err, ErrQueueFull)):
		e.Code = CodeCannotSend
	case e.unsent: // whatever has ended the connection, it was there before the request
		e.Code = CodeNoConnection
	case errors.As(err, &correlation):
		e.Code = CodeCorrelation
	default:
		e.Code = CodeNoAcknowledgement
	}
	return e
}
