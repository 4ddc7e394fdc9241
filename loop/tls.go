package loop

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kafkaio/syscalls"
)

// tlsLayer is the TLS of a connection: crypto/tls between the bytes of the socket and those of the frames, without a goroutine.
//
// crypto/tls reads from and writes to it as if it were the socket. During the handshake it passes both on to a Stream, which may block. From then on the
// loop feeds it what it has read and pumps plaintext out until the records run dry: a Read that has nothing left returns an error that crypto/tls takes
// for temporary, keeping what it has of a record. A Write never blocks and never fails for want of room: ciphertext that the socket does not take is kept
// for the writer, who then stalls.
type tlsLayer struct {
	conn   *tls.Conn
	stream *Stream // during the handshake; nil afterwards

	// Owned by the loop goroutine, during the handshake by the dialling one.
	feed   []byte // what was read and not yet taken; borrowed for one pump
	header [recordHeaderBytes]byte
	have   int // bytes of header taken
	left   int // bytes of the current record's body not yet taken

	handed atomic.Uint64 // plaintext bytes given to crypto/tls

	sock *socket

	mu   sync.Mutex // guards kept and full
	kept []byte     // ciphertext that the socket did not take
	full bool       // and until that is written, what follows has to queue behind it
}

const (
	recordHeaderBytes = 5 // type, version, length (RFC 8446 section 5.1)

	// tlsPieceBytes is how much plaintext is encrypted before a look at the socket: ciphertext kept for a full socket stays below it and a record's overhead each.
	tlsPieceBytes = 64 << 10

	// maxKeptBytes bounds the ciphertext of answers to a peer's key updates that it does not read.
	maxKeptBytes = 512 << 10
)

// starved is what a Read returns that has run out of bytes. crypto/tls does not take an error for the connection's end if it is a net.Error, not wrapped,
// whose Temporary is true (conn.go, readRecordOrCCS).
type starved struct{}

func (starved) Error() string   { return "no more bytes yet" }
func (starved) Timeout() bool   { return false }
func (starved) Temporary() bool { return true }

var errStarved net.Error = starved{}

var errKeptTooMuch = errors.New("the peer does not read, but keeps asking for TLS key updates")

// Read gives bytes of the current record and never of the next one: crypto/tls would keep them, and its buffer would never empty.
func (t *tlsLayer) Read(p []byte) (int, error) {
	if t.stream != nil {
		n, err := t.stream.Read(p[:min(len(p), t.wants())])
		t.took(p[:n])
		return n, err
	}
	if len(t.feed) == 0 {
		return 0, errStarved
	}
	n := 0
	for n < len(p) && len(t.feed) > 0 {
		m := copy(p[n:], t.feed[:min(len(t.feed), t.wants())])
		t.took(p[n : n+m])
		t.feed = t.feed[m:]
		n += m
		if t.have == 0 { // the record is complete
			break
		}
	}
	return n, nil
}

// wants is how many bytes belong to what is being read: the header, or the body of a record.
func (t *tlsLayer) wants() int {
	if t.have < recordHeaderBytes {
		return recordHeaderBytes - t.have
	}
	return t.left
}

// took follows the record boundaries.
func (t *tlsLayer) took(b []byte) {
	if len(b) == 0 {
		return
	}
	if t.have < recordHeaderBytes {
		t.have += copy(t.header[t.have:], b)
		if t.have == recordHeaderBytes {
			t.left = int(binary.BigEndian.Uint16(t.header[3:]))
		}
	} else {
		t.left -= len(b)
	}
	if t.have == recordHeaderBytes && t.left == 0 {
		t.have = 0
	}
}

// Write sends ciphertext, or keeps it where the socket is full.
func (t *tlsLayer) Write(p []byte) (int, error) {
	if t.stream != nil {
		return t.stream.Write(p)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	n := 0
	if !t.full {
		var err error
		n, err = t.sock.write(p, nil)
		switch {
		case err == nil:
			return n, nil
		case !syscalls.IsRetry(err):
			return n, err
		}
		t.full = true
	}
	if len(t.kept)+len(p)-n > maxKeptBytes {
		return n, errKeptTooMuch
	}
	t.kept = append(t.kept, p[n:]...)
	return len(p), nil
}

// write encrypts and sends the two parts, and returns how much plaintext crypto/tls has. EAGAIN says that ciphertext is kept, even where n is all.
func (t *tlsLayer) write(a, b []byte) (n int, err error) {
	for _, part := range [...][]byte{a, b} {
		for len(part) > 0 {
			piece := part[:min(len(part), tlsPieceBytes)]
			part = part[len(piece):]
			t.handed.Add(uint64(len(piece)))
			if _, err := t.conn.Write(piece); err != nil {
				return n, err
			}
			n += len(piece)
			if t.blocked() {
				return n, syscall.EAGAIN
			}
		}
	}
	return n, nil
}

func (t *tlsLayer) blocked() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.full
}

// drain writes the kept ciphertext, waiting for room, until none is kept. One goroutine at a time: the stalled writer.
func (t *tlsLayer) drain(w stall) error {
	for {
		t.mu.Lock()
		kept := t.kept
		t.kept = nil
		if len(kept) == 0 {
			t.full = false
			t.mu.Unlock()
			return nil
		}
		t.mu.Unlock()
		if _, err := w.writeAll(kept, never); err != nil {
			return err
		}
	}
}

// writeStalled encrypts and sends the rest of what write began, waiting for room.
func (t *tlsLayer) writeStalled(w stall, a, b []byte, n int) error {
	for {
		if err := t.drain(w); err != nil {
			return err
		}
		m := min(n, len(a))
		a, b = a[m:], b[n-m:]
		if len(a)+len(b) == 0 {
			return nil
		}
		var err error
		if n, err = t.write(a, b); err != nil && !syscalls.IsRetry(err) {
			return err
		}
	}
}

// plainBuffers lend pump the memory that plaintext is read into.
var plainBuffers = sync.Pool{New: func() any { return new([16 << 10]byte) }} // a record's most plaintext

// pump decrypts what the loop has read and hands on the plaintext. False asks the driver to close the connection.
func (c *Conn) pump(b []byte) bool {
	t := c.tls
	t.feed = b
	plain := plainBuffers.Get().(*[16 << 10]byte)
	defer plainBuffers.Put(plain)
	for {
		into := c.room()
		direct := into != nil
		if !direct {
			into = plain[:]
		}
		n, err := t.conn.Read(into)
		if n > 0 {
			if direct && !c.filled(n) || !direct && !c.onBytes(into[:n]) {
				return false
			}
		}
		switch {
		case err == nil && n < len(into) && len(t.feed) == 0 && t.have == 0:
			return c.answerPump() // between records, and nothing left: asking crypto/tls to say so would cost an allocation
		case err == nil:
		case err == errStarved: //nolint:errorlint // identity: it comes back as it went in
			t.feed = nil
			return c.answerPump()
		case errors.Is(err, io.EOF): // close_notify
			c.finished = true
			c.fail(c.explain(io.EOF))
			return false
		default:
			c.fail(&TLSError{Err: err})
			return false
		}
	}
}

// answerPump sees to ciphertext that crypto/tls has written while reading (an answer to a key update) and that the socket did not take.
func (c *Conn) answerPump() bool {
	if !c.tls.blocked() {
		return true
	}
	c.mu.Lock()
	mine := !c.writing && c.state < stateClosed
	if mine {
		c.writing = true
	}
	c.mu.Unlock()
	if mine {
		c.stallOn(nil, 0)
	}
	return true
}

// The rest of net.Conn, for crypto/tls. Deadlines are the stream's business during the handshake, and nobody's afterwards.
func (t *tlsLayer) Close() error                     { return nil }
func (t *tlsLayer) LocalAddr() net.Addr              { return nil }
func (t *tlsLayer) RemoteAddr() net.Addr             { return nil }
func (t *tlsLayer) SetDeadline(time.Time) error      { return nil }
func (t *tlsLayer) SetReadDeadline(time.Time) error  { return nil }
func (t *tlsLayer) SetWriteDeadline(time.Time) error { return nil }
