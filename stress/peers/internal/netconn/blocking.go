// Package netconn is what a Go program does without any client: a net.Conn
// and goroutines.
package netconn

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"

	"kafkaio/stress/peers/internal/peer"
)

func dial(ctx context.Context, addr string) (net.Conn, error) {
	d := net.Dialer{Timeout: peer.DialTimeout}
	return d.DialContext(ctx, "tcp", addr)
}

// Open opens a connection a caller, each with a buffer of its own that is
// used again: the least that a goroutine per connection can cost.
func Open(ctx context.Context, e peer.Env) (*peer.Client, error) {
	w := e.Work
	conns := make([]net.Conn, max(w.Conns, w.Callers))
	err := peer.OpenAll(len(conns), func(i int) (err error) {
		conns[i], err = dial(ctx, e.Addr(i))
		return err
	})
	if err != nil || w.Idle {
		return &peer.Client{Keep: conns}, err
	}
	c := &peer.Client{Keep: conns}
	for _, nc := range conns {
		size := 4 << 10
		if w.Large {
			size = 2 << 20
		}
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
