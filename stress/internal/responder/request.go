package responder

import (
	"encoding/binary"
	"errors"
	"slices"
)

const (
	sizeBytes = 4 // the size prefix

	// minRequestBytes is a header v0: key, version, correlation id.
	minRequestBytes = 8

	// prefixBytes of a frame are enough to choose its answer, unless it
	// is a Produce request.
	prefixBytes = sizeBytes + minRequestBytes

	// maxProducePrefix bounds how much of a Produce request is kept while
	// its acks field has not arrived: client id, header tags and
	// transactional id come before it.
	maxProducePrefix = 64 << 10
)

var (
	errSize      = errors.New("request size out of bounds")
	errUnknown   = errors.New("API key or version not served")
	errMalformed = errors.New("malformed request header")
)

// request is what an answer needs to know of a request.
type request struct {
	frameBytes int    // with the size prefix
	answer     []byte // from the table; nil: none is due
	withheld   bool   // one is due and never comes, by Config.Withhold
	id         uint32 // correlation id
}

// inspect reads the beginning of a frame, p, from its size prefix on. Where p
// is too short to tell, want is how many bytes are needed, always more than
// len(p) and at most the frame; else want is 0. p is borrowed.
func (t *table) inspect(p []byte, maxRequestBytes int) (req request, want int, err error) {
	if len(p) < sizeBytes {
		return req, prefixBytes, nil
	}
	size := int(int32(binary.BigEndian.Uint32(p)))
	if size < minRequestBytes || size > maxRequestBytes {
		return req, 0, errSize
	}
	if len(p) < prefixBytes {
		return req, prefixBytes, nil
	}
	key := int16(binary.BigEndian.Uint16(p[4:]))
	version := int16(binary.BigEndian.Uint16(p[6:]))
	req = request{frameBytes: sizeBytes + size, id: binary.BigEndian.Uint32(p[8:])}
	if req.answer = t.find(key, version); req.answer == nil {
		return req, 0, errUnknown
	}
	req.withheld = slices.Contains(t.withhold, key)
	if key != keyProduce {
		return req, 0, nil
	}
	if len(p) > req.frameBytes {
		p = p[:req.frameBytes]
	}
	acks, want := produceAcks(p, version)
	switch {
	case want > req.frameBytes || want > maxProducePrefix:
		return req, 0, errMalformed
	case want > 0:
		return req, want, nil
	case acks == 0:
		req.answer = nil
	}
	return req, 0, nil
}

// First versions of Produce in which the layout before acks changed.
// Source: ProduceRequest.json of Apache Kafka.
const (
	produceTransactional = 3 // transactional_id, a nullable string
	produceFlexible      = 9 // header v2 with tags, compact strings
)

// produceAcks finds the acks field of a Produce request that starts at p[0]
// with its size prefix. Where p ends before it, want is the length needed to
// get further.
func produceAcks(p []byte, version int16) (acks int16, want int) {
	c := cursor{p: p, at: prefixBytes}
	c.skip(int(c.int16())) // client id: not compact in header v2 either
	if version >= produceFlexible {
		for tags := c.uvarint(); tags > 0 && c.want == 0; tags-- {
			c.uvarint()
			c.skip(c.uvarint())
		}
		c.skip(c.uvarint() - 1)
	} else if version >= produceTransactional {
		c.skip(int(c.int16()))
	}
	acks = c.int16()
	return acks, c.want
}

// cursor walks over a prefix of a message. Once it would have to pass the
// end, want says how long the prefix must be and all reads return 0.
type cursor struct {
	p    []byte
	at   int
	want int
}

func (c *cursor) need(n int) bool {
	if c.want == 0 && c.at+n > len(c.p) {
		c.want = c.at + n
	}
	return c.want == 0
}

// skip passes n bytes; a negative n is the length of a null.
func (c *cursor) skip(n int) {
	if n > 0 && c.need(n) {
		c.at += n
	}
}

func (c *cursor) int16() int16 {
	if !c.need(2) {
		return 0
	}
	v := int16(binary.BigEndian.Uint16(c.p[c.at:]))
	c.at += 2
	return v
}

// uvarint reads an unsigned varint of at most 5 bytes; a longer one is read as
// a length that no request can have.
func (c *cursor) uvarint() int {
	v := 0
	for shift := 0; shift < 35; shift += 7 {
		if !c.need(1) {
			return 0
		}
		b := c.p[c.at]
		c.at++
		v |= int(b&0x7f) << shift
		if b < 0x80 {
			return v
		}
	}
	c.want = 1 << 30
	return 0
}
