package loop

import (
	"context"
	"errors"
	"net"
	"syscall"
)

// netOpened is a connection that a net.Dialer has made, on its way to a loop.
type netOpened struct {
	net.Conn
	tunnel net.Conn // what Conn is a bridge to; mostly nil
}

func (o netOpened) discard() { _ = o.Close() }

// dialNet connects by Go's own dialer.
func dialNet(ctx context.Context, to target, o *SocketOptions) (opened, error) {
	dialer := net.Dialer{
		KeepAlive: -1, // apply sets ours
		Control: func(network, _ string, rc syscall.RawConn) error {
			if network == "unix" {
				return nil
			}
			var err error
			return errors.Join(rc.Control(func(fd uintptr) { err = o.apply(int(fd)) }), err)
		},
	}
	network, address := "tcp", to.path
	if to.path != "" {
		network = "unix"
	} else {
		address = to.addr.String()
	}
	c, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return netOpened{Conn: c}, nil
}
