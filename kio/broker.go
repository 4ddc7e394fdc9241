package kio

import (
	"context"
	"net"
	"time"

	"kafkaio/loop"
)

// minRequestBytes is the shortest request: a header of version 0 (key, version, correlation id) without a body.
const minRequestBytes = 8

// Broker is a connection to one broker on which many requests may be in flight. Safe for concurrent use by any number of goroutines.
//
// An idle Broker costs no goroutine and no buffer. It does not reconnect: once it has failed, every call says why.
type Broker struct {
	// Immutable after DialBroker. Of the Config only what calls need: ten thousand idle brokers should not hold as many copies.
	addr            string
	clientID        string
	conn            *loop.Conn
	trace           *tracer // nil: no debug output
	defaultTimeout  time.Duration
	maxRequestBytes int
}

// DialBroker connects to addr, a host:port whose port may be left out (DefaultPort), or the path of a Unix socket after "unix:". A name is tried at
// all its addresses. Config.DialTimeout and the context's deadline bound all of it. Not from a callback of Submit. Errors are of type *Error.
func DialBroker(ctx context.Context, addr string, cfg Config) (*Broker, error) {
	d, err := prepare(addr, cfg)
	if err != nil {
		return nil, err
	}
	ctx, cancel := d.start(ctx)
	defer cancel()
	dc := d.cfg.dialConfig()
	dc.WrapError = wrapSubmit
	c, err := d.engine.loops.Dial(ctx, d.addr, dc)
	if err != nil {
		return nil, d.failed(ctx, err)
	}
	d.connected(c.LocalAddr(), c.RemoteAddr())
	b := &Broker{addr: d.addr, clientID: d.cfg.ClientID, conn: c, trace: d.trace, defaultTimeout: d.cfg.Timeout, maxRequestBytes: d.cfg.MaxRequestBytes}
	if b.trace != nil {
		go b.traceEnd()
	}
	return b, nil
}

// Addr is the broker's address as it was given to DialBroker, with its port.
func (b *Broker) Addr() string { return b.addr }

// LocalAddr is the address of this end.
func (b *Broker) LocalAddr() net.Addr { return b.conn.LocalAddr() }

// RemoteAddr is the address of the broker's end.
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
		return nil, wrapOp("request", b.addr, err)
	}
	return response, nil
}

func (b *Broker) tracedRoundTrip(ctx context.Context, request []byte) ([]byte, error) {
	secret := isSecretRequest(request)
	b.trace.message("sent", b.addr, request, secret)
	response, err := b.conn.RoundTrip(ctx, request, b.timeout(ctx))
	if err != nil {
		return nil, b.trace.failed(wrapOp("request", b.addr, err))
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

// traceEnd logs the end of the connection. DialBroker starts it where there is debug output; it ends with the connection, and nobody waits for it.
func (b *Broker) traceEnd() {
	<-b.conn.Done()
	b.trace.event("ended", "addr", b.addr, "error", b.conn.Err())
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
		return b.trace.failed(wrapOp("submit", b.addr, err))
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
		e := wrapOp("send", b.addr, err)
		if e.Code == CodeNoAcknowledgement {
			e.Code = CodeCannotSend
		}
		return b.trace.failed(e)
	}
	return nil
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
		return wrapOp("request", b.addr, &loop.OpError{Err: err, Unsent: true})
	}
	return nil
}

// Shutdown drains: new requests are refused with ErrDraining, those in flight are answered, then the connection is closed. When ctx ends first, what
// is left is cut off and an error returned. It returns when everything is gone.
func (b *Broker) Shutdown(ctx context.Context) error {
	if err := b.conn.Shutdown(ctx); err != nil {
		return b.trace.failed(wrapOp("shutdown", b.addr, err))
	}
	b.trace.event("shut down", "addr", b.addr)
	return nil
}

// Close cuts: requests in flight end with an error that matches net.ErrClosed. It is idempotent, always returns nil, and returns when everything is
// gone, except in a callback of Submit, where it only begins the end.
func (b *Broker) Close() error {
	b.trace.event("close", "addr", b.addr)
	return b.conn.Close()
}

// Done is closed when the connection has ended, and all its requests with it.
func (b *Broker) Done() <-chan struct{} { return b.conn.Done() }

// Stats is a snapshot of a connection.
type Stats = loop.Stats

// Stats takes a snapshot; it is cheap enough to take every second of ten thousand connections.
func (b *Broker) Stats() Stats { return b.conn.Stats() }
