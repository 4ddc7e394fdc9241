package netconn

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"

	"kafkaio/stress/peers/internal/peer"
)

// OpenReader opens the work's connections, each with a goroutine that reads
// and a mutex around writes, and lets all callers of a connection share it:
// the usual way to pipeline by hand.
func OpenReader(ctx context.Context, e peer.Env) (*peer.Client, error) {
	w := e.Work
	conns := make([]*pipelined, w.Conns)
	err := e.OpenAll(len(conns), func(i int) error {
		nc, err := dial(ctx, e, i)
		if err != nil {
			return err
		}
		conns[i] = &pipelined{nc: nc}
		size := 64 << 10
		if w.Idle {
			size = 4 << 10 // what bufio takes unasked
		}
		go conns[i].read(size)
		return nil
	})
	c := &peer.Client{Keep: conns}
	if err != nil || w.Idle {
		return c, err
	}
	for i := range w.Callers {
		c.Callers = append(c.Callers, conns[i%len(conns)].caller(e.Frame()))
	}
	return c, nil
}

// answer is what a caller waits for; the bytes are its own.
type answer struct {
	b   []byte
	err error
}

// pipelined is one connection. The queue order is the order on the wire.
type pipelined struct {
	nc net.Conn

	mu      sync.Mutex
	pending []chan answer
	first   int // of pending that is not answered
	err     error
}

func (p *pipelined) caller(request []byte) func() error {
	ch := make(chan answer, 1)
	return func() error {
		p.mu.Lock()
		if p.err != nil {
			p.mu.Unlock()
			return p.err
		}
		p.pending = append(p.pending, ch)
		_, err := p.nc.Write(request)
		p.mu.Unlock()
		if err != nil {
			return err
		}
		return (<-ch).err
	}
}

// read hands answers to the callers in order. OpenReader starts it, the end of
// the connection ends it, nobody waits for it.
func (p *pipelined) read(bufferBytes int) {
	r := bufio.NewReaderSize(p.nc, bufferBytes)
	for {
		var size [4]byte
		_, err := io.ReadFull(r, size[:])
		var b []byte
		if err == nil {
			b = make([]byte, binary.BigEndian.Uint32(size[:]))
			_, err = io.ReadFull(r, b)
		}
		p.mu.Lock()
		if err != nil {
			p.err = err
			for _, ch := range p.pending[p.first:] {
				ch <- answer{err: err}
			}
			p.mu.Unlock()
			return
		}
		ch := p.pending[p.first]
		if p.first++; p.first == len(p.pending) {
			p.pending, p.first = p.pending[:0], 0
		} else if p.first >= 512 && p.first > len(p.pending)/2 {
			n := copy(p.pending, p.pending[p.first:])
			p.pending, p.first = p.pending[:n], 0
		}
		p.mu.Unlock()
		ch <- answer{b: b}
	}
}
