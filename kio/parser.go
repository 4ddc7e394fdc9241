package kio

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"kafkaio/frame"
)

// parser reads the fields of an answer one after another. After an error all it reads is zero, and err has the first. Its cost is bounded by the bytes
// that are there. One goroutine at a time.
type parser struct {
	b   []byte
	err error
}

// errAnswer is an answer that cannot be what its place in the stream says.
var errAnswer = errors.New("the answer is malformed: a peer that is no Kafka broker, or a stream that lost its place")

// fail keeps the first error.
func (p *parser) fail(err error) {
	if p.err == nil {
		p.err = fmt.Errorf("%w (%w)", errAnswer, err)
	}
	p.b = nil
}

// take gives the next n bytes, borrowed from the answer, or nil.
func (p *parser) take(n int) []byte {
	if n < 0 || n > len(p.b) {
		p.fail(io.ErrUnexpectedEOF)
		return nil
	}
	b := p.b[:n:n]
	p.b = p.b[n:]
	return b
}

func (p *parser) int16() int16 {
	if b := p.take(2); b != nil {
		return int16(binary.BigEndian.Uint16(b))
	}
	return 0
}

func (p *parser) int32() int32 {
	if b := p.take(4); b != nil {
		return int32(binary.BigEndian.Uint32(b))
	}
	return 0
}

func (p *parser) int64() int64 {
	if b := p.take(8); b != nil {
		return int64(binary.BigEndian.Uint64(b))
	}
	return 0
}

// compactLen reads a length of the compact types: one more than it is, 0 for null, which is -1 here.
func (p *parser) compactLen() int {
	v, n := binary.Uvarint(p.b)
	if n <= 0 || v > maxBytes {
		p.fail(io.ErrUnexpectedEOF)
		return -1
	}
	p.b = p.b[n:]
	return int(v) - 1
}

// arrayLen reads the length of an array whose elements have at least elementBytes each: no more than fit into what is left. Null is 0.
func (p *parser) arrayLen(compact bool, elementBytes int) int {
	var n int
	if compact {
		n = p.compactLen()
	} else {
		n = int(p.int32())
	}
	if n > len(p.b)/elementBytes {
		p.fail(io.ErrUnexpectedEOF)
		return 0
	}
	return max(n, 0)
}

// text reads a nullable string, null as "".
func (p *parser) text(compact bool) string {
	var n int
	if compact {
		n = p.compactLen()
	} else {
		n = int(p.int16())
	}
	return string(p.take(max(n, 0)))
}

// bytes reads nullable bytes, borrowed from the answer.
func (p *parser) bytes(compact bool) []byte {
	var n int
	if compact {
		n = p.compactLen()
	} else {
		n = int(p.int32())
	}
	return p.take(max(n, 0))
}

func (p *parser) skipTags() {
	if p.err != nil {
		return
	}
	rest, err := frame.SkipTags(p.b)
	if err != nil {
		p.fail(err)
		return
	}
	p.b = rest
}
