package loop

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// DialConfig shapes one dial. The zero value works.
type DialConfig struct {
	// IPVersion is 4 or 6 to use only addresses of that version; 0 uses both.
	IPVersion int
	// Socket is set on the socket before it connects; on a *net.TCPConn of Dialer, when that has returned it.
	Socket SocketOptions
	// Limits bound a Conn; streams ignore them.
	Limits Limits
	// BusyPoll is how long the connection's loop polls without sleeping while it expects an answer on it: 0 is automatic, negative never.
	// It has an effect on DriverEpoll only.
	BusyPoll time.Duration
	// WakeDelay is for how long the answers of a Conn may be left lying, so that one wake-up of its loop brings several: 0 or less is not at all. They never are for
	// longer than a quarter of the connection's recent round trips, nor while something is in flight on a connection of the same loop that does not allow it:
	// a Stream, one with BusyPoll > 0, one without WakeDelay. It has an effect on DriverEpoll only.
	WakeDelay time.Duration
	// Resolver looks names up; nil is net.DefaultResolver.
	Resolver *net.Resolver
	// TLS makes Dial and DialStream speak TLS; nil is plaintext. Where ServerName is empty it is the host of the address, before any look-up. Connections of the same
	// configuration and host share a cache of sessions, unless it has one. It must not be changed after its first use.
	TLS *tls.Config
	// Owner, if not nil, is told of errors and of the end of a connection that Dial or DialStream has returned, or is about to return.
	Owner Owner
	// Observer, if not nil, is told what happens on a Conn; streams have none. It must not be changed any more.
	Observer *Observer
	// Dialer, if not nil, opens the connection in place of the engine: for proxies and tunnels. It should return a
	// *net.TCPConn or *net.UnixConn; anything else costs two goroutines that copy.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
	// ConnectTo, if not empty, is an address to connect to in place of the one that Dial is given, in the same form: a tunnel's end. The peer is known by the
	// other one nevertheless: TLS verifies its host, errors and statistics name it.
	ConnectTo string
}

// destination is the address that a dial of addr connects to.
func (cfg *DialConfig) destination(addr string) string { return cmp.Or(cfg.ConnectTo, addr) }

// attemptDelay is how long one address may take before the next is tried beside it (RFC 8305 section 5, "Connection Attempt Delay").
const attemptDelay = 250 * time.Millisecond

// UnixPrefix marks an address as the path of a Unix socket: "unix:/run/broker.sock".
const UnixPrefix = "unix:"

// Dial connects to addr, a host:port whose host may be a name or an IP literal, or the path of a Unix socket after UnixPrefix. A name is tried
// at all its addresses. The deadline of ctx bounds all of it: look-up, connecting, the TLS handshake (on gnet, registration waits for the loop). Not from a loop's goroutine. Errors are of type *OpError.
func (e *Engine) Dial(ctx context.Context, addr string, cfg DialConfig) (*Conn, error) {
	o, err := e.open(ctx, cfg.destination(addr), &cfg)
	if err != nil {
		return nil, &OpError{Op: "dial", Addr: addr, Err: err, Unsent: true}
	}
	if cfg.TLS != nil {
		c, err := e.dialTLS(ctx, addr, o, &cfg)
		if err != nil {
			return nil, &OpError{Op: "dial", Addr: addr, Err: err, Unsent: true}
		}
		e.roll.enter(c)
		return c, nil
	}
	c := e.newConn(addr, &cfg)
	if err := e.register(o, c); err != nil {
		return nil, &OpError{Op: "dial", Addr: addr, Err: err, Unsent: true}
	}
	e.roll.enter(c)
	return c, nil
}

// newConn makes a connection that is not on a loop yet.
func (e *Engine) newConn(addr string, cfg *DialConfig) *Conn {
	limits := cfg.Limits.withDefaults()
	c := &Conn{engine: e, addr: addr, limits: e.shared(profile{limits, cfg.BusyPoll, cfg.WakeDelay}), opened: now(), timerAt: never, owner: cfg.Owner}
	if to := cfg.destination(addr); to != addr {
		c.to = &to
	}
	c.idleSince = c.opened
	c.watch = newObservation(cfg.Observer)
	c.sock.fd = -1
	c.in.SetMaxBytes(limits.MaxFrameBytes)
	c.in.SetMemory((*connMemory)(c))
	return c
}

// DialStream is Dial for a connection of bytes.
func (e *Engine) DialStream(ctx context.Context, addr string, cfg DialConfig) (*Stream, error) {
	o, err := e.open(ctx, cfg.destination(addr), &cfg)
	if err != nil {
		return nil, &OpError{Op: "dial", Addr: addr, Err: err, Unsent: true}
	}
	s := newStream(e, addr, cfg.BusyPoll)
	s.to = cfg.destination(addr)
	s.owner = cfg.Owner
	if err := e.register(o, s); err != nil {
		return nil, &OpError{Op: "dial", Addr: addr, Err: err, Unsent: true}
	}
	if cfg.TLS != nil {
		if err := e.secure(ctx, s, cfg.TLS); err != nil {
			_ = s.Close()
			return nil, &OpError{Op: "dial", Addr: addr, Err: err, Unsent: true}
		}
	}
	return s, nil
}

// open connects to addr without registering.
func (e *Engine) open(ctx context.Context, addr string, cfg *DialConfig) (opened, error) {
	if e.onLoop() {
		return nil, ErrOnLoop
	}
	if err := contextError(ctx); err != nil {
		return nil, err
	}
	if cfg.Dialer != nil {
		network, address := networkOf(cfg.IPVersion), addr
		if path, ok := strings.CutPrefix(addr, UnixPrefix); ok {
			network, address = "unix", path
		}
		nc, err := cfg.Dialer(ctx, network, address)
		if err != nil {
			return nil, deadlineOf(ctx, err)
		}
		if err := cfg.Socket.applyTo(nc); err != nil {
			_ = nc.Close()
			return nil, err
		}
		return e.driver.adopt(nc)
	}
	targets, err := resolve(ctx, addr, cfg)
	if err != nil {
		return nil, deadlineOf(ctx, err)
	}
	o, err := e.connectFirst(ctx, targets, &cfg.Socket)
	if err != nil {
		return nil, deadlineOf(ctx, err)
	}
	return o, nil
}

func networkOf(ipVersion int) string {
	switch ipVersion {
	case 4:
		return "tcp4"
	case 6:
		return "tcp6"
	default:
		return "tcp"
	}
}

// deadlineOf names the context's end as the cause where that is what ended a dial.
func deadlineOf(ctx context.Context, err error) error {
	switch cause := contextError(ctx); {
	case cause != nil && errors.Is(cause, errTimeout):
		return &lateDialError{err}
	case cause != nil:
		return cause
	case isTimeout(err) && almostOver(ctx):
		return &lateDialError{err} // the dialer's timer ran ahead of the context's
	default:
		return err
	}
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}

// almostOver reports whether the deadline of ctx is so near that another clock may have seen it pass.
func almostOver(ctx context.Context) bool {
	d, ok := ctx.Deadline()
	return ok && time.Until(d) < 5*time.Millisecond
}

// lateDialError is a dial that its deadline has ended, with what it was about.
type lateDialError struct{ during error }

func (e *lateDialError) Error() string   { return "deadline exceeded (" + e.during.Error() + ")" }
func (e *lateDialError) Unwrap() []error { return []error{errTimeout, e.during} }

// resolve turns host:port into the addresses to try, the families by turns, beginning with the one that the resolver prefers.
func resolve(ctx context.Context, addr string, cfg *DialConfig) ([]target, error) {
	if path, ok := strings.CutPrefix(addr, UnixPrefix); ok {
		return []target{{path: path}}, nil
	}
	host, service, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil || port == 0 {
		return nil, &net.AddrError{Err: "port must be a number from 1 to 65535", Addr: addr}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		ip = ip.Unmap()
		if v := cfg.IPVersion; v == 4 && !ip.Is4() || v == 6 && !ip.Is6() {
			return nil, &net.AddrError{Err: "address is not of IP version " + strconv.Itoa(v), Addr: host}
		}
		return []target{{addr: netip.AddrPortFrom(ip, uint16(port))}}, nil
	}
	resolver := cfg.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	network := "ip"
	if cfg.IPVersion != 0 {
		network += strconv.Itoa(cfg.IPVersion)
	}
	ips, err := resolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return nil, err
	}
	if len(ips) == 0 {
		return nil, &net.DNSError{Err: "no addresses", Name: host, IsNotFound: true}
	}
	var families [2][]target
	first := ips[0].Unmap().Is4()
	for _, ip := range ips {
		t := target{addr: netip.AddrPortFrom(ip.Unmap(), uint16(port))}
		if t.addr.Addr().Is4() == first {
			families[0] = append(families[0], t)
		} else {
			families[1] = append(families[1], t)
		}
	}
	targets := make([]target, 0, len(ips))
	for i := range max(len(families[0]), len(families[1])) {
		for _, f := range families {
			if i < len(f) {
				targets = append(targets, f[i])
			}
		}
	}
	return targets, nil
}

// AttemptsError is a dial that failed at every address of a name.
type AttemptsError struct{ Attempts []error }

// Error lists the attempts.
func (e *AttemptsError) Error() string {
	texts := make([]string, len(e.Attempts))
	for i, err := range e.Attempts {
		texts[i] = err.Error()
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the attempts' errors.
func (e *AttemptsError) Unwrap() []error { return e.Attempts }

// connectFirst gives the first connection that one of the targets accepts. Each attempt gets a head start of attemptDelay over the next.
func (e *Engine) connectFirst(ctx context.Context, targets []target, so *SocketOptions) (opened, error) {
	if len(targets) == 1 {
		return e.driver.connect(ctx, targets[0], so)
	}
	type result struct {
		o   opened
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	results := make(chan result, len(targets))
	head := time.NewTimer(0)
	defer head.Stop()

	var winner opened
	var failed []error
	started, ended := 0, 0
	for ended < len(targets) && (winner == nil || ended < started) {
		select {
		case <-head.C:
			if winner == nil && started < len(targets) {
				t := targets[started]
				started++
				// Ends with its attempt, which ctx bounds; waited for below.
				go func() {
					o, err := e.driver.connect(ctx, t, so)
					results <- result{o, err}
				}()
				head.Reset(attemptDelay)
			}
		case r := <-results:
			ended++
			switch {
			case r.err == nil && winner == nil:
				winner = r.o
				cancel()
			case r.err == nil:
				r.o.discard()
			default:
				failed = append(failed, r.err)
				head.Reset(0)
			}
		}
	}
	if winner != nil {
		return winner, nil
	}
	return nil, &AttemptsError{failed}
}

// remoteAddr is the address of the peer's end, which for a Unix socket is the path that was connected to.
func remoteAddr(to string, r registration) net.Addr {
	if path, ok := strings.CutPrefix(to, UnixPrefix); ok {
		return &net.UnixAddr{Name: path, Net: "unix"}
	}
	_, remote := r.addrs()
	return remote
}
