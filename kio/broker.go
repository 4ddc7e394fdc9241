package kio

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"time"

	"kafkaio/loop"
)

// minRequestBytes is the shortest request: a header of version 0 (key, version, correlation id) without a body.
const minRequestBytes = 8

// Broker is a connection to one broker on which many requests may be in flight. Safe for concurrent use by any number of goroutines.
//
// An idle Broker costs no goroutine and no buffer. It does not reconnect: once it has failed, every call says why. Where the broker limits for how
// long it trusts a connection (KIP-368), the Broker re-authenticates before that ends, and keeps new requests waiting for as long as that takes; if it is
// refused, the connection is closed. A Broker that is not used any more must be closed, or a timer keeps it.
type Broker struct {
	// Immutable after DialBroker. Of the Config only what calls need: ten thousand idle brokers should not hold as many copies.
	addr            string
	clientID        string
	conn            *loop.Conn
	trace           *tracer // nil: no debug output
	watch           *watch  // nil: neither hooks nor a log
	defaultTimeout  time.Duration
	maxRequestBytes int
	maxThrottle     time.Duration
	versions        versionTable // the broker's; empty with Config.OpenRaw
	pins            versionTable // Config.MaxVersions
	openAnswers     uint32       // answers that opening took; 0 with Config.OpenRaw
	authenticated   bool
	session         *session // nil: authenticated for as long as the connection lives, or not at all

	// Atomic.
	why atomic.Pointer[endError] // what made this side give the connection up; nil before

	throttle throttle
}

// Addr is the broker's address as it was given to DialBroker, with its port.
func (b *Broker) Addr() string { return b.addr }

// LocalAddr is the address of this end.
func (b *Broker) LocalAddr() net.Addr { return b.conn.LocalAddr() }

// RemoteAddr is the address of the other end: the broker's or, with Config.MapAddr or a proxy, that of what stands in between.
func (b *Broker) RemoteAddr() net.Addr { return b.conn.RemoteAddr() }

// RoundTrip sends a request and waits for its answer. Not from a callback of Submit, which would wait for itself.
//
// request is header and body as the protocol guide has them, without the size prefix; it is borrowed until RoundTrip returns and never written
// to: the connection puts a correlation id of its own into the copy that it sends. The response is what follows the answer's size prefix, with
// the correlation id of the caller's header; it belongs to the caller.
//
// The call ends at the deadline of ctx or, if it has none, after Config.Timeout. A request that is given up after it was sent leaves the
// connection usable: its late answer will be dropped. Requests without an answer (Produce with acks=0) go by SendOneWay. Errors are of type *Error.
func (b *Broker) RoundTrip(ctx context.Context, request []byte) ([]byte, error) {
	if err := b.check("request", request); err != nil {
		return nil, err
	}
	if b.trace != nil {
		return b.tracedRoundTrip(ctx, request)
	}
	response, err := b.conn.RoundTrip(ctx, request, b.timeout(ctx))
	if err != nil {
		return nil, b.wrap("request", err)
	}
	return response, nil
}

func (b *Broker) tracedRoundTrip(ctx context.Context, request []byte) ([]byte, error) {
	secret := isSecretRequest(request)
	b.trace.message("sent", b.addr, request, secret)
	response, err := b.conn.RoundTrip(ctx, request, b.timeout(ctx))
	if err != nil {
		return nil, b.trace.failed(b.wrap("request", err))
	}
	b.trace.message("received", b.addr, response, secret)
	return response, nil
}

// traced logs a request, and wraps done to log its answer.
func (b *Broker) traced(request []byte, done func([]byte, error)) func([]byte, error) {
	secret := isSecretRequest(request)
	b.trace.message("sent", b.addr, request, secret)
	return func(response []byte, err error) {
		if err != nil {
			_ = b.trace.failed(err.(*Error)) //nolint:errorlint // wrapSubmit has made it
		} else {
			b.trace.message("received", b.addr, response, secret)
		}
		done(response, err)
	}
}

// onEnd tells of the end of the connection. On its loop, which may be before b has one.
func (b *Broker) onEnd(cause error) {
	if b.trace != nil {
		b.trace.event("ended", "addr", b.addr, "error", cause)
	}
	b.watch.onEnd(cause)
}

// timeout is 0, none, where the context has a deadline: the call has said otherwise.
func (b *Broker) timeout(ctx context.Context) time.Duration {
	if _, ok := ctx.Deadline(); ok {
		return 0
	}
	return b.defaultTimeout
}

// Submit sends a request and returns at once; done is called exactly once with its end, on the event loop of the connection. Submit may be called
// from anywhere, done included. It never waits: where the queue is full it returns an error that matches ErrQueueFull, and done is not called.
//
// request is borrowed until Submit returns. response is borrowed by done until done returns: copy what is to be kept. done must not block and
// must not call RoundTrip, Request, Dial or Shutdown: every connection of that loop would wait for it. If done panics, the panic is recovered and
// the connection closed with a PanicError. The zero deadline is Config.Timeout from now.
func (b *Broker) Submit(request []byte, deadline time.Time, done func(response []byte, err error)) error {
	if err := b.check("submit", request); err != nil {
		return err
	}
	if done == nil {
		return b.trace.failed(invalid("submit", b.addr, "done is nil: nobody would learn of the answer"))
	}
	if deadline.IsZero() {
		deadline = time.Now().Add(b.defaultTimeout)
	}
	if b.trace != nil {
		done = b.traced(request, done)
	}
	if err := b.conn.Submit(request, deadline, done); err != nil {
		return b.trace.failed(b.wrap("submit", err))
	}
	return nil
}

// SendOneWay sends a request that has no answer, as a Produce with acks=0 has none, and returns when its bytes are in the kernel's hands.
// Slice, deadline and errors are as with RoundTrip.
func (b *Broker) SendOneWay(ctx context.Context, request []byte) error {
	if err := b.check("send", request); err != nil {
		return err
	}
	if b.trace != nil {
		b.trace.message("sent", b.addr, request, isSecretRequest(request))
	}
	if err := b.conn.SendOneWay(ctx, request, b.timeout(ctx)); err != nil {
		return b.trace.failed(b.wrapSend(err))
	}
	return nil
}

// wrapSend is wrap for requests whose sending is all of it.
func (b *Broker) wrapSend(err error) *Error {
	e := b.wrap("send", err)
	if e.Code == CodeNoAcknowledgement {
		e.Code = CodeCannotSend
	}
	return e
}

// check refuses what cannot be a request.
func (b *Broker) check(op string, request []byte) error {
	if len(request) < minRequestBytes {
		return b.trace.failed(invalid(op, b.addr, "request has %d bytes, want at least the %d of a request header", len(request), minRequestBytes))
	}
	if len(request) > b.maxRequestBytes {
		return b.trace.failed(invalid(op, b.addr, "request has %d bytes, want at most %d (Config.MaxRequestBytes)", len(request), b.maxRequestBytes))
	}
	return nil
}

// Err is why the connection takes no more requests, nil while it does.
func (b *Broker) Err() error {
	if err := b.conn.Err(); err != nil {
		return b.wrap("request", &loop.OpError{Err: err, Unsent: true})
	}
	return nil
}

// Shutdown drains: new requests are refused with ErrDraining, those in flight are answered, then the connection is closed. When ctx ends first, what
// is left is cut off and an error returned. It returns when everything is gone.
func (b *Broker) Shutdown(ctx context.Context) error {
	err := b.conn.Shutdown(ctx)
	if errors.Is(err, loop.ErrOnLoop) {
		return b.trace.failed(b.wrap("shutdown", err))
	}
	b.stop()
	if err != nil {
		return b.trace.failed(b.wrap("shutdown", err))
	}
	b.trace.event("shut down", "addr", b.addr)
	return nil
}

// Close cuts: requests in flight end with an error that matches net.ErrClosed. It is idempotent, always returns nil, and returns when everything is
// gone, except in a callback of Submit, where it only begins the end.
func (b *Broker) Close() error {
	b.trace.event("close", "addr", b.addr)
	b.session.stop() // before its connection ends, or it would take that for a failure
	_ = b.conn.Close()
	b.stop()
	return nil
}

// stop ends what a connection that has ended leaves behind, and waits for it. In a callback of Submit the connection may be about to end only: nobody
// waits then.
func (b *Broker) stop() {
	b.session.stop()
	b.throttle.stop()
	select {
	case <-b.conn.Done():
		b.session.wait()
	default:
	}
}

// halt is stop for who must not wait: the connection has ended.
func (b *Broker) halt() {
	b.session.stop()
	b.throttle.stop()
}

// isIdle reports whether nothing is in flight and nobody waits.
func (b *Broker) isIdle() bool {
	s := b.conn.Stats()
	return s.InFlight == 0 && s.Waiting == 0 && s.PendingBytes == 0
}

// fail ends the connection for a reason of this side's, which all further errors tell.
func (b *Broker) fail(err error) {
	_ = b.trace.failed(&Error{Op: "keep open", Addr: b.addr, MappedTo: mappedTo(b.addr, b.conn.ConnectedTo()), Code: CodeNoConnection, Err: err})
	b.why.CompareAndSwap(nil, &endError{err})
	_ = b.conn.Close() // never fails
	b.throttle.stop()
}

// wrap makes of an error of the loop one of ours.
func (b *Broker) wrap(op string, err error) *Error {
	e := wrapOp(op, b.addr, err)
	e.MappedTo = mappedTo(b.addr, b.conn.ConnectedTo())
	switch why := b.why.Load(); {
	case why != nil && (errors.Is(e.Err, loop.ErrClosed) || hungUp(e.Err)):
		e.Err = why // a broker that refuses also ends the connection: whichever came first, this is why
	case b.session != nil && b.session.held.Load() && hungUp(e.Err): // and its refusal, if it has sent one, is being looked at
		e.Err = &OpenError{Step: StepReauthentication, Err: e.Err}
	default:
		if hint := b.firstRequestHint(e.Err); hint != "" {
			e.Err = &OpenError{StepFirstRequest, hint, e.Err}
		}
	}
	return e
}

// cause is what ended the connection, as callers are told.
func (b *Broker) cause(err error) error { return b.wrap("", err).Err }

// firstRequestHint explains the end of a connection that answered nothing but what opened it: a listener that wants SASL answers ApiVersions, and ends
// the connection at the first other request.
func (b *Broker) firstRequestHint(err error) string {
	if b.openAnswers == 0 || b.authenticated || !hungUp(err) {
		return ""
	}
	if s := b.conn.Stats(); s.Answered > uint64(b.openAnswers) || s.Failed == 0 {
		return ""
	}
	return "the broker ended the connection at its first request: this listener probably wants SASL (Config.SASL)"
}

// Done is closed when the connection has ended, and all its requests with it.
func (b *Broker) Done() <-chan struct{} { return b.conn.Done() }
