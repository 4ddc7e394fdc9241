package load

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"

	"kafkaio/frame"
	"kafkaio/kio"
	"kafkaio/stress/internal/workload"
)

// The classes of failures, besides "kafka:" and the name of an error code. Those that begin with "local:" are limits of this machine.
const (
	ClassTimeout     = "timeout"     // no answer within the time
	ClassRefused     = "refused"     // nobody listens
	ClassReset       = "reset"       // the peer or something in between ended the connection the hard way
	ClassEOF         = "eof"         // the peer closed the connection
	ClassClosed      = "closed"      // our own side closed it
	ClassUnreachable = "unreachable" // no route
	ClassName        = "name"        // the host's name does not resolve
	ClassQueueFull   = "queue-full"  // the connection holds as many requests as it may
	ClassSilent      = "silent"      // closed after too many requests had gone unanswered
	ClassProtocol    = "protocol"    // the answer makes no sense
	ClassCancelled   = "cancelled"   // given up by us
	ClassDescriptors = LocalPrefix + "descriptors"
	ClassPorts       = LocalPrefix + "ports"
	ClassOther       = "other"

	kafkaPrefix = "kafka:" // before the name of an error code

	// LocalPrefix begins the classes that are limits of this machine.
	LocalPrefix = "local:"
)

// causes are looked for in this order: what is more specific comes first.
var causes = []struct {
	err   error
	class string
}{
	{kio.ErrQueueFull, ClassQueueFull},
	{kio.ErrUnanswered, ClassSilent},
	{kio.ErrPoisoned, ClassTimeout}, // a deadline in the middle of a request that the peer would not read
	{syscall.EMFILE, ClassDescriptors},
	{syscall.ENFILE, ClassDescriptors},
	{syscall.EADDRNOTAVAIL, ClassPorts},
	{syscall.EADDRINUSE, ClassPorts},
	{syscall.ECONNREFUSED, ClassRefused},
	{syscall.ECONNRESET, ClassReset},
	{syscall.ECONNABORTED, ClassReset},
	{syscall.EPIPE, ClassReset},
	{syscall.ETIMEDOUT, ClassTimeout},
	{syscall.EHOSTUNREACH, ClassUnreachable},
	{syscall.ENETUNREACH, ClassUnreachable},
	{os.ErrDeadlineExceeded, ClassTimeout},
	{context.DeadlineExceeded, ClassTimeout},
	{context.Canceled, ClassCancelled},
	{io.EOF, ClassEOF},
	{io.ErrUnexpectedEOF, ClassEOF},
	{net.ErrClosed, ClassClosed},
}

// Classify gives the class of a failure; nil has none.
func Classify(err error) string {
	if err == nil {
		return ""
	}
	var broker *workload.BrokerError
	if errors.As(err, &broker) {
		return kafkaPrefix + broker.Name()
	}
	if isProtocol(err) { // before its cause, which may be the end of the bytes
		return ClassProtocol
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return c.class
		}
	}
	var name *net.DNSError
	if errors.As(err, &name) {
		return ClassName
	}
	return ClassOther
}

// classifyEnd gives the class of what has ended a connection. Beside the network and our own side only the peer can end one, by saying what makes
// no sense; kio has no name for an answer out of step that could be matched, so that is found by leaving out the rest.
func classifyEnd(err error) string {
	class := Classify(err)
	var ours *kio.PanicError
	if class == ClassOther && !errors.As(err, &ours) {
		return ClassProtocol
	}
	return class
}

// isProtocol reports whether the peer said what makes no sense.
func isProtocol(err error) bool {
	var malformed *workload.MalformedError
	var size *frame.SizeError
	var header *frame.HeaderError
	if errors.As(err, &malformed) || errors.As(err, &size) || errors.As(err, &header) {
		return true
	}
	var op *kio.Error
	return errors.As(err, &op) && (op.Code == kio.CodeCorrelation || op.Code == kio.CodeNotReceived)
}
