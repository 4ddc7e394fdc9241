package front

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
)

// Positions in a frame (protocol guide, request header v0 and response header
// v0).
const (
	sizeBytes     = 4
	correlationAt = 4 // of an answer, after its size
	headerBytes   = 8 // of a request: key, version, correlation id
)

// askTimeout bounds the question to a responder in the same process.
const askTimeout = 10 * time.Second

// answers are what the responder says, asked once for each key and version:
// what it says depends on nothing else. Safe for concurrent use.
type answers struct {
	addr  string   // of the responder
	known sync.Map // key and version as they stand in a request, to frame
}

var errShort = errors.New("request is shorter than its header")

// find returns the answer to a request, both without and with the size
// prefix. The answer must not be written to; its correlation id is the one of
// whoever came first.
func (a *answers) find(request []byte) ([]byte, error) {
	if len(request) < headerBytes {
		return nil, errShort
	}
	what := [4]byte(request)
	if known, ok := a.known.Load(what); ok {
		return known.([]byte), nil
	}
	frame, err := a.ask(request)
	if err != nil {
		key, version := binary.BigEndian.Uint16(request), binary.BigEndian.Uint16(request[2:])
		return nil, fmt.Errorf("request with key %d, version %d: %w", key, version, err)
	}
	a.known.Store(what, frame)
	return frame, nil
}

// ask makes a connection for one request.
func (a *answers) ask(request []byte) ([]byte, error) {
	nc, err := net.DialTimeout("tcp", a.addr, askTimeout)
	if err != nil {
		return nil, err
	}
	defer func() { _ = nc.Close() }()
	if err := nc.SetDeadline(time.Now().Add(askTimeout)); err != nil {
		return nil, err
	}
	if _, err := nc.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(request))), request...)); err != nil {
		return nil, err
	}
	var size [sizeBytes]byte
	if _, err := io.ReadFull(nc, size[:]); err != nil {
		return nil, err
	}
	frame := append(size[:], make([]byte, binary.BigEndian.Uint32(size[:]))...)
	_, err = io.ReadFull(nc, frame[sizeBytes:])
	return frame, err
}
