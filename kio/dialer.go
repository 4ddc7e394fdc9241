package kio

import (
	"context"
	"net"

	"kafkaio/loop"
)

// Dialer lets clients that bring their own protocol run on this package's event loops: its DialContext is what franz-go's kgo.Dialer, sarama's proxy
// dialer and kafka-go's Transport.Dial take. The zero value works. Safe for concurrent use.
type Dialer struct {
	// Config shapes the connections. Its Timeout does not bound their Read and Write, whose deadlines the client sets.
	Config Config
}

// DialContext connects as Dial does. network is "tcp", or "tcp4" or "tcp6" to restrict the addresses beyond Config.IPVersion, or "unix" with a path
// for the address. The connection is a *Conn. Errors are of type *Error.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	cfg := d.Config
	version := IPAny
	switch network {
	case "tcp":
	case "tcp4":
		version = IPv4
	case "tcp6":
		version = IPv6
	case "unix":
		address = loop.UnixPrefix + address
	default:
		return nil, invalid("dial", address, "network is %q, want tcp, tcp4, tcp6 or unix", network)
	}
	switch {
	case version == IPAny:
	case cfg.IPVersion == IPAny:
		cfg.IPVersion = version
	case cfg.IPVersion != version:
		e := invalid("dial", address, "network is %q, which Config.IPVersion %d leaves no address: give one of them", network, int(cfg.IPVersion))
		e.Code = CodeIPVersion
		return nil, e
	}
	c, err := Dial(ctx, address, cfg)
	if err != nil {
		return nil, err // not c, which would be a net.Conn that is not nil
	}
	return c, nil
}

// Dial is DialContext without a context, for interfaces that know none.
func (d *Dialer) Dial(network, address string) (net.Conn, error) {
	return d.DialContext(context.Background(), network, address)
}
