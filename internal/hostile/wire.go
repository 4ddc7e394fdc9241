package hostile

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// MaxRequestBytes is the largest request that a script reads, without its
// size. It equals the default of Apache Kafka's socket.request.max.bytes.
const MaxRequestBytes = 100 << 20

const (
	sizeBytes         = 4 // the size prefix
	correlationOffset = 4 // after the API key and the API version
	correlationBytes  = 4
	minRequestBytes   = correlationOffset + correlationBytes
)

// Body makes the body of an answer, the bytes after the correlation id, from a
// request without its size. The request is borrowed until return; the result
// is not changed and not kept past its write. A nil Body mirrors the request:
// the answer is what follows the request's correlation id.
type Body func(request []byte) []byte

// of returns the body for the request and knows what a nil Body does.
func (b Body) of(request []byte) []byte {
	if b == nil {
		return request[minRequestBytes:]
	}
	return b(request)
}

// correlation returns the correlation id of a request of at least
// minRequestBytes.
func correlation(request []byte) int32 {
	return int32(binary.BigEndian.Uint32(request[correlationOffset:]))
}

// answerFrame builds a whole answer: size, correlation id, body.
func answerFrame(id int32, body []byte) []byte {
	f := make([]byte, 0, sizeBytes+correlationBytes+len(body))
	f = binary.BigEndian.AppendUint32(f, uint32(correlationBytes+len(body)))
	f = binary.BigEndian.AppendUint32(f, uint32(id))
	return append(f, body...)
}

// readRequest reads one request and returns it without its size. The memory
// grows with what has arrived, not with what the size promises.
func readRequest(r io.Reader) ([]byte, error) {
	var prefix [sizeBytes]byte
	if _, err := io.ReadFull(r, prefix[:]); err != nil {
		return nil, err
	}
	size := int32(binary.BigEndian.Uint32(prefix[:]))
	if size < minRequestBytes || size > MaxRequestBytes {
		return nil, fmt.Errorf("hostile: request of %d bytes is outside %d to %d", size, minRequestBytes, MaxRequestBytes)
	}
	var buf bytes.Buffer
	if _, err := io.CopyN(&buf, r, int64(size)); err != nil {
		return nil, fmt.Errorf("hostile: request of %d bytes ended after %d: %w", size, buf.Len(), err)
	}
	return buf.Bytes(), nil
}
