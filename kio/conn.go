package kio

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"kafkaio/loop"
)

// Conn is a connection of bytes to one broker, for who frames by himself. It is also a net.Conn, so that TLS and other people's clients run over it.
//
// Safe for concurrent use: one goroutine may send while another receives; further ones wait their turn, and their time runs while they wait.
// No method may be called from a callback of Submit, where it would wait for itself, except IsAlive, Close and the address methods.
//
// Send, Receive and TryReceive carry a timeout of their own. The deadlines of net.Conn, if set, bound them too. A Send or Receive that ends in the
// middle of its bytes closes the connection: what follows on the wire could not be told from the rest of the message. Read and Write leave it
// open, as users of net.Conn expect. An idle Conn costs no goroutine and no buffer.
//
// When the peer ends its side, the whole connection ends; bytes that came before can still be read.
type Conn struct {
	// Immutable after Dial.
	addr       string
	timeout    time.Duration
	maxSend    int
	maxReceive int
	stream     *loop.Stream
	trace      *connTrace // nil: no debug output
	watch      *watch     // nil: neither hooks nor a log

	mu  sync.Mutex // guards why
	why error      // what made this side close the connection, as later calls tell it; nil before
}

var _ net.Conn = (*Conn)(nil)

// connTrace is the debug output of one Conn.
type connTrace struct {
	*tracer
	secrecy
}

// Dial connects to addr, a host:port whose port may be left out (DefaultPort), or the path of a Unix socket after "unix:". An IPv6 address that has
// a port stands in brackets. A name is tried at all its addresses. Config.DialTimeout and the context's deadline bound all of it. Not from a
// callback of Submit. Errors are of type *Error: CodeInvalidArgument for what Config or addr may not be, CodeIPVersion for a host that has no
// address of Config.IPVersion, else CodeCannotConnect with an *OpenError. With Config.TLS the bytes travel over TLS, and the handshake is part of the dial.
// Config.SASL is refused: a Conn carries bytes, and who writes them authenticates.
func Dial(ctx context.Context, addr string, cfg Config) (*Conn, error) {
	d, err := prepare(addr, cfg)
	if err != nil {
		return nil, err
	}
	if len(cfg.SASL) > 0 {
		return nil, d.trace.failed(invalid("dial", d.addr, "Config.SASL is for DialBroker: a Conn carries bytes, and who writes them authenticates, so leave it out"))
	}
	ctx, cancel := d.start(ctx)
	defer cancel()
	c := &Conn{addr: d.addr, timeout: d.cfg.Timeout, maxSend: d.cfg.MaxRequestBytes, maxReceive: d.cfg.MaxFrameBytes}
	if d.trace != nil {
		c.trace = &connTrace{tracer: d.trace}
	}
	dc := d.dialConfig()
	d.watch = d.newWatch(c.cause, nil)
	c.watch = d.watch
	if c.watch != nil {
		dc.Owner = streamOwner{c.watch}
	}
	if c.stream, err = d.engine.loops.DialStream(ctx, d.addr, dc); err != nil {
		return nil, d.failed(ctx, err)
	}
	d.connected(c.LocalAddr(), c.RemoteAddr())
	if err := d.succeeded(); err != nil {
		_ = c.Close()
		return nil, d.failed(ctx, err)
	}
	return c, nil
}

// Addr is the broker's address as it was given to Dial, with its port.
func (c *Conn) Addr() string { return c.addr }

// LocalAddr is the address of this end.
func (c *Conn) LocalAddr() net.Addr { return c.stream.LocalAddr() }

// RemoteAddr is the address of the other end: the broker's or, with Config.MapAddr or a proxy, that of what stands in between.
func (c *Conn) RemoteAddr() net.Addr { return c.stream.RemoteAddr() }

// IsAlive reports whether the connection is open at both ends as far as this one can know: false after Close, after a message that was given up
// in its middle, and once the peer's end or reset has arrived, even with bytes before it unread.
func (c *Conn) IsAlive() bool { return c.stream.Alive() }

// Send sends all of message, borrowed until it returns, and gives the number of bytes that the kernel took. timeout 0 is Config.Timeout.
//
// Errors are of type *Error, and Bytes says how far it got. CodeInvalidArgument: message is empty or longer than Config.MaxRequestBytes, or
// timeout is negative. CodeNoConnection: the connection is closed, or the peer has ended it, and no byte was sent. CodeCannotSend: the time was
// up or the connection failed. If a part was sent, the connection is closed and the error matches ErrPoisoned; if none was, SafeToRetry is true,
// and after a timeout the connection is as good as before.
func (c *Conn) Send(message []byte, timeout time.Duration) (int, error) {
	began := time.Now()
	timeout, refused := c.check("send", len(message), c.maxSend, timeout)
	if refused != nil {
		return 0, c.failed(refused)
	}
	if !c.stream.Alive() {
		return 0, c.failed(&Error{Op: "send", Addr: c.addr, Code: CodeNoConnection, Want: len(message), Elapsed: time.Since(began), Err: c.gone(), unsent: true})
	}
	n, err := c.stream.WriteFull(message, timeout)
	if c.watch != nil {
		c.wrote(n, began, err)
	}
	if c.trace != nil {
		c.traceSent(message[:n])
	}
	if err == nil {
		return n, nil
	}
	e := &Error{Op: "send", Addr: c.addr, Code: CodeCannotSend, Bytes: n, Want: len(message), Err: c.cause(err), unsent: n == 0}
	switch {
	case n > 0:
		e.Err = c.poison(e.Err)
	case !c.stream.Alive():
		e.Code = CodeNoConnection
	}
	e.Elapsed = time.Since(began)
	return n, c.failed(e)
}

// Receive waits for exactly length bytes; they belong to the caller. timeout 0 is Config.Timeout.
//
// Errors are of type *Error, and Bytes says how many bytes came; they are lost. CodeInvalidArgument: length is not between 1 and
// Config.MaxFrameBytes, or timeout is negative. CodeNoConnection: the connection is closed, or the peer ended it before the first byte (io.EOF).
// CodeCannotReceive: the time was up, the peer ended the connection after the first byte (io.ErrUnexpectedEOF), or the connection failed. All
// of them close the connection, except invalid arguments and a timeout before the first byte. A timeout after it also matches ErrPoisoned.
func (c *Conn) Receive(length int, timeout time.Duration) ([]byte, error) {
	began := time.Now()
	timeout, refused := c.check("receive", length, c.maxReceive, timeout)
	if refused != nil {
		return nil, c.failed(refused)
	}
	message := make([]byte, length)
	n, err := c.stream.ReadFull(message, timeout)
	if c.watch != nil {
		c.wasRead(n)
	}
	if c.trace != nil {
		c.traceReceived(message[:n])
	}
	if err != nil {
		return nil, c.receiveFailed("receive", n, length, began, err)
	}
	return message, nil
}

// TryReceive waits for the first byte and gives what is there, at most length bytes; they belong to the caller. Arguments and errors are as
// with Receive, and no bytes are ever lost: a timeout leaves the connection as good as before.
func (c *Conn) TryReceive(length int, timeout time.Duration) ([]byte, error) {
	began := time.Now()
	timeout, refused := c.check("try receive", length, c.maxReceive, timeout)
	if refused != nil {
		return nil, c.failed(refused)
	}
	// Room for what is there, or may come with the first byte, not for all that the caller would take.
	message := make([]byte, min(length, max(c.stream.Buffered(), tryReceiveBytes)))
	n, err := c.stream.ReadSome(message, timeout)
	if c.watch != nil {
		c.wasRead(n)
	}
	if c.trace != nil {
		c.traceReceived(message[:n])
	}
	if err != nil {
		return nil, c.receiveFailed("try receive", n, length, began, err)
	}
	return message[:n:n], nil
}

// tryReceiveBytes is the least room that TryReceive makes for bytes that are not there yet (guessed: most answers fit).
const tryReceiveBytes = 4 << 10

// check refuses a length or timeout out of its bounds, and fills in the default timeout.
func (c *Conn) check(op string, length, limit int, timeout time.Duration) (time.Duration, *Error) {
	what, field := "length", "Config.MaxFrameBytes"
	if op == "send" {
		what, field = "length of the message", "Config.MaxRequestBytes"
	}
	switch {
	case length < 1:
		return 0, invalid(op, c.addr, "%s is %d, want at least 1", what, length)
	case length > limit:
		return 0, invalid(op, c.addr, "%s is %d, want at most %d (%s)", what, length, limit, field)
	case timeout < 0:
		return 0, invalid(op, c.addr, "timeout is %v, want more than 0, or 0 for Config.Timeout", timeout)
	case timeout == 0:
		return c.timeout, nil
	default:
		return timeout, nil
	}
}

// receiveFailed turns the stream's error into ours and closes the connection where nothing sensible can follow.
func (c *Conn) receiveFailed(op string, n, want int, began time.Time, err error) error {
	e := &Error{Op: op, Addr: c.addr, Code: CodeCannotReceive, Bytes: n, Want: want, Err: c.cause(err)}
	switch {
	case e.Timeout() && n == 0:
	case e.Timeout():
		e.Err = c.poison(e.Err)
	case errors.Is(err, io.EOF) && n > 0:
		e.Err = io.ErrUnexpectedEOF
		c.end(&endError{e.Err})
	case errors.Is(err, io.EOF):
		e.Code, e.Err = CodeNoConnection, io.EOF // without the system call that a driver may name
		c.end(&endError{e.Err})
	default:
		if n == 0 && errors.Is(err, net.ErrClosed) {
			e.Code = CodeNoConnection
		}
		c.end(&endError{e.Err})
	}
	e.Elapsed = time.Since(began)
	return c.failed(e)
}

// Read is net.Conn's: it waits for the first byte and gives what is there. After the peer's end it returns io.EOF itself; other errors are of
// type *Error. Config.Timeout does not bound it.
func (c *Conn) Read(p []byte) (int, error) {
	n, err := c.stream.Read(p)
	if c.watch != nil {
		c.wasRead(n)
	}
	if c.trace != nil && n > 0 {
		c.traceReceived(p[:n])
	}
	if err == nil {
		return n, nil
	}
	cause := c.cause(err)
	if errors.Is(cause, io.EOF) {
		if c.trace != nil {
			c.trace.event("peer's end", "addr", c.addr)
		}
		return n, io.EOF
	}
	return n, c.failed(&Error{Op: "read", Addr: c.addr, Code: codeOf(cause, CodeCannotReceive), Bytes: n, Err: cause})
}

// Write is net.Conn's: it sends all of p, borrowed until it returns. When it fails after a part of p, the connection stays open and the caller has
// to know what the peer makes of that part; Send takes care of it. Errors are of type *Error. Config.Timeout does not bound it.
func (c *Conn) Write(p []byte) (int, error) {
	var began time.Time
	if c.watch != nil {
		began = time.Now()
	}
	n, err := c.stream.Write(p)
	if c.watch != nil {
		c.wrote(n, began, err)
	}
	if c.trace != nil && n > 0 {
		c.traceSent(p[:n])
	}
	if err == nil {
		return n, nil
	}
	cause := c.cause(err)
	return n, c.failed(&Error{Op: "write", Addr: c.addr, Code: codeOf(cause, CodeCannotSend), Bytes: n, Want: len(p), Err: cause, unsent: n == 0})
}

// codeOf is CodeNoConnection for a connection that was closed on this side.
func codeOf(cause error, otherwise Code) Code {
	if errors.Is(cause, net.ErrClosed) {
		return CodeNoConnection
	}
	return otherwise
}

// SetDeadline bounds reads and writes, those in progress included; the zero time takes the bounds away.
func (c *Conn) SetDeadline(t time.Time) error { return c.setFailed(c.stream.SetDeadline(t)) }

// SetReadDeadline bounds Read, Receive and TryReceive, those in progress included; the zero time takes the bound away.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setFailed(c.stream.SetReadDeadline(t)) }

// SetWriteDeadline bounds Write and Send, those in progress included; the zero time takes the bound away.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setFailed(c.stream.SetWriteDeadline(t)) }

func (c *Conn) setFailed(err error) error {
	if err == nil {
		return nil
	}
	return c.failed(&Error{Op: "set deadline", Addr: c.addr, Code: CodeNoConnection, Err: c.cause(err), unsent: true})
}

// Close ends the connection: calls in progress return an error that matches net.ErrClosed, unread bytes are dropped. It is idempotent, always
// returns nil, and returns when everything is gone, except in a callback of Submit, where it only begins the end.
func (c *Conn) Close() error {
	if c.trace != nil {
		c.trace.event("close", "addr", c.addr)
	}
	c.end(loop.ErrClosed)
	return nil
}

// end closes the connection; later calls tell the first reason.
func (c *Conn) end(why error) {
	c.mu.Lock()
	if c.why == nil {
		c.why = why
	}
	c.mu.Unlock()
	_ = c.stream.Close() // never fails
}

// poison closes the connection because of a message given up in its middle, and gives the error that says so beside the cause.
func (c *Conn) poison(cause error) error {
	c.end(&endError{errPoisonedBefore})
	return &cutError{cause}
}

// cause is err, or what made this side close the connection where err only says that it is closed.
func (c *Conn) cause(err error) error {
	if !errors.Is(err, loop.ErrClosed) {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.why != nil {
		return c.why
	}
	return err
}

// gone is why a connection that is not alive is not.
func (c *Conn) gone() error {
	if err := c.stream.Err(); err != nil {
		return c.cause(err)
	}
	return io.EOF // seen by the kernel, and not yet by the loop; a reset would read the same
}

// wrote tells the hooks of a write, and wasRead of a read. One that panics ends the connection.
func (c *Conn) wrote(n int, began time.Time, err error) {
	if err != nil {
		err = c.cause(err)
	}
	if p := c.watch.wrote(n, began, err); p != nil {
		c.end(&endError{p})
	}
}

func (c *Conn) wasRead(n int) {
	if p := c.watch.read(n); p != nil {
		c.end(&endError{p})
	}
}

// failed completes an error and tells the debug output.
func (c *Conn) failed(e *Error) error {
	e.MappedTo = mappedTo(c.addr, c.stream.ConnectedTo())
	if c.trace != nil {
		return c.trace.failed(e)
	}
	return e
}

func (c *Conn) traceSent(b []byte)     { c.trace.message("sent", c.addr, b, c.trace.sent(b)) }
func (c *Conn) traceReceived(b []byte) { c.trace.message("received", c.addr, b, c.trace.received()) }

// cutError is the end of a message in its middle. It matches ErrPoisoned and the cause.
type cutError struct{ cause error }

func (e *cutError) Error() string {
	return e.cause.Error() + " in the middle of a message, which makes the connection unusable"
}
func (e *cutError) Unwrap() []error { return []error{e.cause, ErrPoisoned} }

// errPoisonedBefore is what calls after a cutError tell. The cause is left out: nobody should take what ended an earlier call, such as a timeout,
// for the end of this one.
var errPoisonedBefore error = poisonedBefore{}

type poisonedBefore struct{}

func (poisonedBefore) Error() string {
	return "a message was given up in its middle, which made the connection unusable"
}
func (poisonedBefore) Unwrap() error { return ErrPoisoned }

// endError is told by calls on a connection that this side has closed for a reason of its own. It matches net.ErrClosed and the reason.
type endError struct{ reason error }

func (e *endError) Error() string   { return "connection is closed: " + e.reason.Error() }
func (e *endError) Unwrap() []error { return []error{net.ErrClosed, e.reason} }
