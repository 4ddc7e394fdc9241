package kio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"kafkaio/loop"
)

// dial is a validated dial: what DialBroker and Dial have in common. One goroutine at a time.
type dial struct {
	cfg    *Config // with its defaults; apart, so that the garbage of a dial and the connections are of different sizes: its holes would stay among them
	addr   string  // with its port
	to     string  // what to connect to: addr, or what Config.MapAddr gives for it
	engine *Engine
	trace  *tracer // nil: no debug output
	watch  *watch  // of the connection that is being opened; nil: nobody is told
	began  time.Time
	ended  func(b *Broker) // not nil: told of the end of each connection that the dial made, on its loop
}

// prepare validates before anything is sent or resolved.
func prepare(addr string, cfg Config) (*dial, error) {
	trace := newTracer(&cfg)
	addr, to, invalid := validate(addr, &cfg)
	if invalid != nil {
		return nil, trace.failed(invalid)
	}
	complete := cfg.withDefaults()
	d := &dial{cfg: &complete, addr: addr, to: to, engine: cfg.Engine, trace: trace}
	if d.engine == nil {
		var err error
		if d.engine, err = sharedEngine(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

// start puts the dial's one deadline on ctx.
func (d *dial) start(ctx context.Context) (context.Context, context.CancelFunc) {
	d.began = time.Now()
	if d.trace != nil {
		d.trace.event("dialing", d.withRoute("addr", d.addr, "timeout", d.cfg.DialTimeout)...)
		ctx = d.trace.watchDial(ctx, d.addr)
	}
	return context.WithTimeout(ctx, d.cfg.DialTimeout)
}

// connected tells of the connection that stands, and has yet to be opened.
func (d *dial) connected(local, remote net.Addr) {
	d.watch.stands(local, remote)
	if d.trace != nil {
		d.trace.event("connected", "addr", d.addr, "local", local, "remote", remote, "elapsed", time.Since(d.began))
	}
}

// succeeded tells of the connection that is open. Its error is the panic of a hook.
func (d *dial) succeeded() error {
	w := d.watch
	d.watch = nil // which has been told of the end of the attempt, whatever follows
	return w.succeeded()
}

// failed is wrap for an error that ends the dial, and tells of it.
func (d *dial) failed(ctx context.Context, err error) error {
	e := d.wrap(ctx, err)
	d.watch.failed(e)
	return d.trace.failed(e)
}

// wrap turns an error of a dial, the loop's or an *OpenError, into ours. It is CodeCannotConnect, but for a name that exists with addresses of the
// other IP version only, and for a call that cannot be made where it was made.
func (d *dial) wrap(ctx context.Context, err error) *Error {
	e := &Error{Op: "dial", Addr: d.addr, MappedTo: mappedTo(d.addr, d.to), Code: CodeCannotConnect, Err: withoutOp(err), unsent: true}
	var opened *OpenError
	switch {
	case errors.As(err, &opened):
	case errors.Is(err, loop.ErrOnLoop):
		e.Code = CodeInvalidArgument
	case errors.Is(err, loop.ErrStopped): // no fault of the broker's
	case d.isOtherVersion(ctx, err):
		e.Code = CodeIPVersion
		e.Err = fmt.Errorf("the name has addresses, but none of IP version %d (Config.IPVersion): %w", int(d.cfg.IPVersion), e.Err)
	default:
		e.Err = d.cfg.openError(stepOf(err), e.Err)
	}
	e.Elapsed = time.Since(d.began)
	return e
}

// stepOf is the step at which the loop's part of a dial failed.
func stepOf(err error) Step {
	var (
		proxied   *ProxyError
		dns       *net.DNSError
		unsuited  *net.AddrError
		handshake *loop.HandshakeError
	)
	switch {
	case errors.As(err, &handshake):
		return StepTLS
	case errors.As(err, &proxied):
		return StepProxy
	case errors.As(err, &dns), errors.As(err, &unsuited):
		return StepResolve
	default:
		return StepConnect
	}
}

// isOtherVersion reports whether a look-up has failed for want of addresses of Config.IPVersion while the name has addresses of the other one.
// It costs a look-up of its own, within the deadline of the dial and only where the name would else be said not to exist.
func (d *dial) isOtherVersion(ctx context.Context, err error) bool {
	if d.cfg.IPVersion == IPAny || d.cfg.Dialer != nil {
		return false
	}
	var dns *net.DNSError
	var unsuited *net.AddrError // found, in the hosts file for one, and filtered out
	notFound := errors.As(err, &dns) && dns.IsNotFound
	if !notFound && !errors.As(err, &unsuited) {
		return false
	}
	host, _, err := net.SplitHostPort(d.to)
	if err != nil {
		return false
	}
	resolver := d.cfg.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	other := "ip6"
	if d.cfg.IPVersion == IPv6 {
		other = "ip4"
	}
	ips, err := resolver.LookupNetIP(ctx, other, host)
	return err == nil && len(ips) > 0
}
