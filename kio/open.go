package kio

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/frame"
)

// DialBroker opens a connection to addr, a host:port whose port may be left out (DefaultPort), or the path of a Unix socket after "unix:": it resolves,
// connects, shakes hands over TLS (Config.TLS), asks for the broker's versions (ApiVersions), and authenticates (Config.SASL). A name is tried at all its
// addresses. Config.DialTimeout and the context's deadline bound all of it. Config.OpenRaw leaves out what comes after TLS.
//
// Not from a callback of Submit. Errors are of type *Error, with CodeCannotConnect and an *OpenError that names the step and the likely cause; what the
// broker says against the credentials is an *AuthError.
func DialBroker(ctx context.Context, addr string, cfg Config) (*Broker, error) {
	d, err := prepare(addr, cfg)
	if err != nil {
		return nil, err
	}
	return d.broker(ctx)
}

// broker opens the connection.
func (d *dial) broker(ctx context.Context) (*Broker, error) {
	ctx, cancel := d.start(ctx)
	defer cancel()
	for mechanisms := d.cfg.SASL; ; {
		b, err := d.dialBroker(ctx)
		if err != nil {
			return nil, d.failed(ctx, err)
		}
		if err = d.openOrClose(ctx, b, mechanisms); err == nil {
			return b, nil
		}
		// A broker ends the connection whose mechanism it has refused (apache/kafka SaslServerAuthenticator, handleHandshakeRequest), so that
		// the next one needs another connection.
		if len(mechanisms) > 0 {
			mechanisms = fallback(mechanisms[1:], err)
		}
		if len(mechanisms) == 0 {
			return nil, d.failed(ctx, err)
		}
		d.trace.event("mechanism refused", "addr", d.addr, "next", mechanisms[0].Name())
		d.watch.refusedMechanism(mechanisms[0].Name(), d.wrap(ctx, err))
	}
}

// openOrClose opens a connection, and closes it where that fails, or where a callback of a mechanism or a hook panics.
func (d *dial) openOrClose(ctx context.Context, b *Broker, mechanisms []sasl.Mechanism) (err error) {
	opened := false
	defer func() {
		if !opened {
			_ = b.Close()
		}
	}()
	if err = d.open(ctx, b, mechanisms); err == nil {
		err = d.succeeded()
	}
	opened = err == nil
	return err
}

// dialBroker connects.
func (d *dial) dialBroker(ctx context.Context) (*Broker, error) {
	b := &Broker{
		addr:            d.addr,
		clientID:        d.cfg.ClientID,
		trace:           d.trace,
		defaultTimeout:  d.cfg.Timeout,
		maxRequestBytes: d.cfg.MaxRequestBytes,
		maxThrottle:     d.cfg.MaxThrottle,
		pins:            newPins(d.cfg.MaxVersions),
	}
	dc := d.dialConfig()
	d.watch = d.newWatch(b.cause, b)
	b.watch = d.watch
	b.watch.observe(&dc)
	dc.Owner = brokerOwner{b}
	if d.ended != nil {
		dc.Owner = &endpointOwner{brokerOwner{b}, d.ended} // the connection must not keep the dial and its Config
	}
	c, err := d.engine.loops.Dial(ctx, d.addr, dc)
	if err != nil {
		return nil, err
	}
	b.conn = c
	d.connected(c.LocalAddr(), c.RemoteAddr())
	return b, nil
}

// open makes a connection usable: versions, then authentication by the first of the mechanisms. Errors are of type *OpenError.
func (d *dial) open(ctx context.Context, b *Broker, mechanisms []sasl.Mechanism) error {
	if d.cfg.OpenRaw {
		return nil
	}
	if err := d.askVersions(ctx, b); err != nil {
		return d.cfg.openError(StepApiVersions, err)
	}
	name := ""
	if len(mechanisms) > 0 {
		name = mechanisms[0].Name()
		if err := d.authenticate(ctx, b, mechanisms[0]); err != nil {
			return err
		}
	}
	b.openAnswers = uint32(b.conn.Stats().Answered) // a handful
	if d.trace != nil {
		d.trace.event("opened", "addr", d.addr, "sasl", name, "elapsed", time.Since(d.began))
	}
	return nil
}

// askVersions asks for the broker's versions, in the highest version that it knows itself (KIP-511): one that is too high is answered in version 0, by
// brokers since 2.4 with the range that they take.
func (d *dial) askVersions(ctx context.Context, b *Broker) error {
	r := kmsg.NewPtrApiVersionsRequest()
	r.Version = apiVersionsNamed
	if pin, ok := b.pins.find(r.Key()); ok {
		r.Version = min(r.Version, pin.max)
	}
	r.ClientSoftwareName, r.ClientSoftwareVersion = d.cfg.ClientSoftwareName, d.cfg.ClientSoftwareVersion
	for {
		body, err := b.ahead(ctx, r)
		if err != nil {
			return err
		}
		code, ranges, throttleMillis, err := parseApiVersions(body, r.Version)
		switch {
		case err != nil:
			return err
		case code == codeUnsupportedVersion && r.Version > 0:
			r.Version = downgraded(ranges, r.Version)
		case code != 0:
			return &answerError{code}
		default:
			b.versions = newVersionTable(ranges)
			if b.versions.empty() {
				return errors.New("the broker takes no requests at all, as its answer has it")
			}
			if r.Version >= 2 { // from which on brokers answer first and wait then (KIP-219)
				b.throttled(time.Duration(throttleMillis) * time.Millisecond)
			}
			return nil
		}
	}
}

// downgraded is the version to ask next after one was refused: lower than that one, whatever the broker says.
func downgraded(ranges []versionRange, refused int16) int16 {
	for _, r := range ranges {
		if r.key == int16(frame.APIKeyApiVersions) && r.max < refused {
			return max(r.max, 0)
		}
	}
	return 0
}

// authenticate does so for the first time, and sees to it that it is done again before the session ends.
func (d *dial) authenticate(ctx context.Context, b *Broker, m sasl.Mechanism) error {
	a, err := b.newAuthenticator(m)
	if err == nil {
		err = b.saslHandshake(ctx, a)
	}
	if err != nil {
		return d.cfg.openError(StepSASLHandshake, err)
	}
	c, err := b.credentials(ctx, m)
	if err != nil {
		return d.cfg.openError(StepSASL, err)
	}
	lifetime, since, err := b.saslAuthenticate(ctx, a, c)
	if err != nil {
		return d.cfg.openError(StepSASL, err)
	}
	b.authenticated = true
	if lifetime > 0 {
		b.session = newSession(b, a, d.cfg.DialTimeout, lifetime, since)
	}
	return nil
}
