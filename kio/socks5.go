package kio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"golang.org/x/net/proxy"

	"kafkaio/loop"
)

// SOCKS5Config shapes the dialer that [SOCKS5] makes.
type SOCKS5Config struct {
	// Addr is the proxy: a host:port whose port may be left out (1080, RFC 1928 section 3), or the path of a Unix socket after "unix:".
	Addr string
	// User and Password are offered to a proxy that asks for them (RFC 1929), which reads them as they are: they cross the network to it in plaintext.
	// Empty offers none. Neither may have more than 255 bytes. The password is in no error, and fmt does not show it.
	User     string
	Password string
	// Dialer connects to the proxy; nil is a net.Dialer. Another proxy's makes a chain.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
}

// Format keeps the password out of whatever fmt prints, with any verb.
func (c SOCKS5Config) Format(f fmt.State, _ rune) {
	password := "none"
	if c.Password != "" {
		password = "masked"
	}
	_, _ = fmt.Fprintf(f, "{Addr:%s User:%s Password:[%s]}", c.Addr, c.User, password)
}

// socksPort is the port of a proxy whose address has none.
const socksPort = "1080"

// SOCKS5 makes a Config.Dialer, or any other client's, that connects through a SOCKS5 proxy (RFC 1928). The proxy resolves the names: brokers need to be known
// there only, and Config.IPVersion and Config.Resolver have no say in names. TLS goes through the proxy to the broker and is verified as without one.
//
// The dialer is safe for concurrent use. It returns the *net.TCPConn to the proxy itself, so that nothing is left in between once the connection stands. Its
// context bounds all of it; without a deadline a silent proxy holds it for ever. Its errors are of type *ProxyError; a *Error of DialBroker or Dial has one
// within. An error of SOCKS5 itself is of type *Error, with CodeInvalidArgument.
func SOCKS5(cfg SOCKS5Config) (func(ctx context.Context, network, address string) (net.Conn, error), error) {
	addr, refused := completeAddr(cfg.Addr, IPAny, socksPort)
	if refused != nil {
		refused.Op = "set up proxy"
		return nil, refused
	}
	switch {
	case cfg.User == "" && cfg.Password != "":
		return nil, invalid("set up proxy", addr, "SOCKS5Config.Password is set and User is not: give both, or neither")
	case len(cfg.User) > 255:
		return nil, invalid("set up proxy", addr, "SOCKS5Config.User has %d bytes, want at most 255, what its length field can say", len(cfg.User))
	case len(cfg.Password) > 255:
		return nil, invalid("set up proxy", addr, "SOCKS5Config.Password has %d bytes, want at most 255, what its length field can say", len(cfg.Password))
	}
	s := &socks{addr: addr, dial: cfg.Dialer}
	if s.dial == nil {
		s.dial = (&net.Dialer{}).DialContext
	}
	if cfg.User != "" {
		s.auth = &proxy.Auth{User: cfg.User, Password: cfg.Password}
	}
	return s.dialContext, nil
}

// socks dials through one proxy. Immutable.
type socks struct {
	addr string
	auth *proxy.Auth // nil: none is offered
	dial func(ctx context.Context, network, address string) (net.Conn, error)
}

func (s *socks) dialContext(ctx context.Context, network, address string) (net.Conn, error) {
	h := &socksHandshake{socks: s, step: ProxyConnect}
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, &ProxyError{Proxy: s.addr, Target: address, Step: ProxyConnect, Err: fmt.Errorf("a SOCKS5 proxy connects over TCP only, not over %q", network)}
	}
	to, at := "tcp", s.addr
	if path, ok := strings.CutPrefix(s.addr, loop.UnixPrefix); ok {
		to, at = "unix", path
	}
	d, err := proxy.SOCKS5(to, at, s.auth, h)
	if err == nil {
		_, err = d.(proxy.ContextDialer).DialContext(ctx, network, address)
	}
	if err != nil {
		return nil, h.failed(ctx, address, err)
	}
	return h.conn, nil
}

// socksHandshake is one dial: it connects to the proxy for the package that speaks SOCKS, keeps the connection, which that one wraps, and looks on as the handshake
// passes, to tell step and reply of a failure, for which that one has words only. Owned by the dialling goroutine.
//
// No byte behind the handshake is lost with the wrapping: the package reads the lengths that the protocol says and no more.
type socksHandshake struct {
	socks  *socks
	conn   net.Conn
	step   ProxyStep
	answer []byte // what the proxy has said in this step, as far as it is looked at
}

// Dial implements proxy.Dialer, which nobody calls.
func (h *socksHandshake) Dial(network, address string) (net.Conn, error) {
	return h.DialContext(context.Background(), network, address)
}

// DialContext implements proxy.ContextDialer.
func (h *socksHandshake) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var err error
	h.conn, err = h.socks.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &watchedConn{h.conn, h}, nil
}

// watchedConn is the connection during the handshake.
type watchedConn struct {
	net.Conn
	h *socksHandshake
}

// Versions and answers of RFC 1928 and RFC 1929.
const (
	socksVersion     = 5
	socksAuthVersion = 1
	socksNoAuth      = 0
	socksNoMethod    = 0xff
)

// errMethod ends a handshake whose proxy breaks the rules.
var errMethod = errors.New("the proxy chose a way to authenticate that was not offered")

// Write begins the next step: each message of the client is one write.
func (c *watchedConn) Write(p []byte) (int, error) {
	h := c.h
	before, said := h.step, h.answer
	h.answer = h.answer[:0:0]
	switch {
	case before == ProxyConnect:
		h.step = ProxyGreeting
	case before == ProxyGreeting && len(p) > 0 && p[0] == socksAuthVersion:
		h.step = ProxyAuth
	case before == ProxyGreeting && len(said) == 2 && said[1] != socksNoAuth:
		return 0, errMethod
	default:
		h.step = ProxyRequest
	}
	return c.Conn.Write(p)
}

// Read keeps the head of the answer.
func (c *watchedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	h := c.h
	h.answer = append(h.answer, p[:min(n, 2-len(h.answer))]...)
	return n, err
}

// failed tells what went wrong, from what has passed.
func (h *socksHandshake) failed(ctx context.Context, target string, err error) *ProxyError {
	e := &ProxyError{Proxy: h.socks.addr, Target: target, Step: h.step, Err: err}
	var op *net.OpError
	if errors.As(err, &op) && strings.HasPrefix(op.Op, "socks") {
		e.Err = op.Err // the rest of it is said better
	}
	whole := len(h.answer) == 2
	switch {
	case ctx.Err() != nil && isTimeout(e.Err):
		e.Err = ctx.Err() // the timeout is how the package heeds its context
	case h.step == ProxyGreeting && whole && h.answer[0] == socksVersion && h.answer[1] == socksNoMethod && h.socks.auth == nil:
		e.Err = errAuthMissing
	case h.step == ProxyGreeting && whole && h.answer[0] == socksVersion && h.answer[1] == socksNoMethod:
		e.Err = errAuthUnknown
	case h.step == ProxyAuth && whole && h.answer[1] != 0:
		e.Err = errAuthRefused
	case h.step == ProxyRequest && whole && h.answer[0] == socksVersion && h.answer[1] != 0:
		e.Reply = ProxyReply(h.answer[1])
		e.Err = fmt.Errorf("%v (%d)", e.Reply, e.Reply)
	case h.step != ProxyConnect && len(h.answer) > 0 && h.answer[0] != socksVersion && h.step != ProxyAuth:
		e.Err = fmt.Errorf("%w (%w)", errNoSOCKS, e.Err)
	}
	return e
}

// Refusals.
var (
	errAuthMissing = errors.New("the proxy wants authentication, and there is none to offer")
	errAuthUnknown = errors.New("the proxy takes neither user and password nor a client without")
	errAuthRefused = errors.New("the proxy refuses user and password")
	errNoSOCKS     = errors.New("the answer is not SOCKS5")
)

// ProxyStep is how far a connection through a proxy got.
type ProxyStep string

// The steps, in their order. ProxyAuth is left out where the proxy wants none.
const (
	ProxyConnect  ProxyStep = "connect"        // to the proxy, its name's look-up included
	ProxyGreeting ProxyStep = "greeting"       // agreeing on whether and how to authenticate
	ProxyAuth     ProxyStep = "authentication" // by user and password
	ProxyRequest  ProxyStep = "request"        // for the connection to the broker
)

// ProxyReply is what a proxy replies to a request for a connection (RFC 1928 section 6); 0 is none.
type ProxyReply uint8

// The replies that say no.
const (
	ProxyFailure            ProxyReply = 1
	ProxyNotAllowed         ProxyReply = 2
	ProxyNetworkUnreachable ProxyReply = 3
	ProxyHostUnreachable    ProxyReply = 4
	ProxyConnectionRefused  ProxyReply = 5
	ProxyExpired            ProxyReply = 6
	ProxyNoSuchCommand      ProxyReply = 7
	ProxyNoSuchAddressType  ProxyReply = 8
)

// String is the reply in words.
func (r ProxyReply) String() string {
	switch r {
	case ProxyFailure:
		return "general failure of the proxy"
	case ProxyNotAllowed:
		return "connection not allowed by the proxy's rules"
	case ProxyNetworkUnreachable:
		return "network unreachable"
	case ProxyHostUnreachable:
		return "host unreachable"
	case ProxyConnectionRefused:
		return "connection refused"
	case ProxyExpired:
		return "time to live expired"
	case ProxyNoSuchCommand:
		return "command not supported"
	case ProxyNoSuchAddressType:
		return "address type not supported"
	default:
		return "unknown reply"
	}
}

// ProxyError is a connection that was not to be had through a proxy.
type ProxyError struct {
	Proxy  string     // its address
	Target string     // what it was to connect to
	Step   ProxyStep  // where it failed
	Reply  ProxyReply // the proxy's own reason; 0 where it gave none
	Err    error      // the cause; never nil
}

// Error tells proxy, step and cause.
func (e *ProxyError) Error() string {
	step := string(e.Step)
	if e.Step == ProxyRequest {
		step += " for " + plain(e.Target)
	}
	return "proxy " + plain(e.Proxy) + ": " + step + ": " + e.Err.Error()
}

// Unwrap gives the cause.
func (e *ProxyError) Unwrap() error { return e.Err }

// Timeout reports whether a deadline was the cause, as net.Error has it.
func (e *ProxyError) Timeout() bool { return isTimeout(e.Err) }

// hint is the likely cause, and what to do about it.
func (e *ProxyError) hint() string {
	ended := errors.Is(e.Err, io.EOF) || errors.Is(e.Err, io.ErrUnexpectedEOF) || hungUp(e.Err)
	switch {
	case errors.Is(e.Err, errAuthMissing):
		return "set SOCKS5Config.User and Password"
	case errors.Is(e.Err, errAuthRefused):
		return "check SOCKS5Config.User and Password"
	case errors.Is(e.Err, errNoSOCKS):
		return "check the proxy's port, and that it is for SOCKS5"
	case e.Step == ProxyConnect:
		return proxyConnectHint(e.Err)
	case e.Step == ProxyGreeting && (ended || e.Timeout()):
		return "the proxy took the connection and did not answer: check its port, and that it is for SOCKS5"
	case e.Step == ProxyAuth && ended:
		return "the proxy ended the connection in place of an answer: check SOCKS5Config.User and Password"
	case e.Step == ProxyRequest:
		return e.requestHint(ended)
	default:
		return ""
	}
}

func proxyConnectHint(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns):
		return "it is the proxy's own name that cannot be resolved: check SOCKS5Config.Addr"
	case isTimeout(err):
		return "no answer from the proxy itself: its host is down or unreachable, or a firewall drops the packets"
	default:
		return "it is the proxy itself that cannot be reached: check SOCKS5Config.Addr"
	}
}

// requestHint is about what is behind the proxy.
func (e *ProxyError) requestHint(ended bool) string {
	switch {
	case e.Reply == ProxyNotAllowed:
		return "its rules forbid this broker or this user"
	case e.Reply == ProxyConnectionRefused:
		return "the proxy reached the host and nobody listens there: the broker is down, or has another port"
	case e.Reply == ProxyFailure, e.Reply == ProxyNetworkUnreachable, e.Reply == ProxyHostUnreachable, e.Reply == ProxyExpired:
		return "the proxy cannot resolve or reach the broker: check that the name is known there, or map it (Config.MapAddr)"
	case ended:
		return "the proxy ended the connection in place of a reply: it cannot reach the broker, or does not let this client"
	case e.Timeout():
		return "the proxy is slow or cannot reach the broker"
	default:
		return ""
	}
}
