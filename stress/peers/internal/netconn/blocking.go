// Package netconn is what a Go program does without any client: a net.Conn
// and goroutines.
package netconn

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"

	"kafkaio/stress/peers/internal/peer"
)

func dial(ctx context.Context, e peer.Env, conn int) (net.Conn, error) {
	d := &net.Dialer{Timeout: peer.DialTimeout}
	if e.TLS != nil {
		return tls.DialWithDialer(d, "tcp", e.Addr(conn), e.TLS) // the handshake included
	}
	return d.DialContext(ctx, "tcp", e.Addr(conn))
}

// Open opens a connection a caller, each with a buffer of its own that is
// used again: the least that a goroutine per connection can cost. Over TLS it
// is crypto/tls, used as it is meant to be.
func Open(ctx context.Context, e peer.Env) (*peer.Client, error) {
	w := e.Work
	conns := make([]net.Conn, max(w.Conns, w.Callers))
	// A read may bring more than the answer that is waited for.
	size := max(4<<10, 2*w.FetchBytes)
	err := e.OpenAll(len(conns), func(i int) error {
		nc, err := dial(ctx, e, i)
		if err != nil {
			return err
		}
		conns[i] = nc
		return e.Touch(func(frame []byte) func() error { return blocking(nc, frame, make([]byte, size)) })
	})
	if err != nil || w.Idle {
		return &peer.Client{Keep: conns}, err
	}
	c := &peer.Client{Keep: conns}
	for _, nc := range conns {
		c.Callers = append(c.Callers, blocking(nc, e.Frame(), make([]byte, size)))
	}
	return c, nil
}

var errAnswer = errors.New("netconn: answer does not fit its buffer or is not alone")

// blocking writes and reads on the goroutine of its caller.
func blocking(nc net.Conn, request, in []byte) func() error {
	return func() error {
		if _, err := nc.Write(request); err != nil {
			return err
		}
		n, err := io.ReadAtLeast(nc, in, 4)
		if err != nil {
			return err
		}
		end := 4 + int(binary.BigEndian.Uint32(in))
		if end > len(in) || n > end {
			return errAnswer
		}
		if n < end {
			_, err = io.ReadFull(nc, in[n:end])
		}
		return err
	}
}
