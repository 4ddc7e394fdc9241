package frame

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	// SizeBytes is the length of the size prefix, a signed big-endian int32 (protocol guide, "Common Request and Response
	// Structure"; apache/kafka NetworkReceive.java, readFrom).
	SizeBytes = 4

	// DefaultMaxBytes is the largest payload that an [Assembler] takes unless told otherwise: 100 MiB. A broker's own
	// limit, socket.request.max.bytes, has the same default of 104857600 (apache/kafka
	// server/src/main/java/org/apache/kafka/network/SocketServerConfigs.java); librdkafka reads answers of up to
	// 100,000,000 bytes (receive.message.max.bytes in its CONFIGURATION.md).
	DefaultMaxBytes = 100 << 20
)

const (
	// minBufferBytes is the least that is allocated for a frame larger than this. A guess: one memory page.
	minBufferBytes = 4 << 10

	// trust is how many bytes of memory one received byte may claim. A peer that wants 100 MiB held has to send 1.6 MiB of it. Lower
	// values copy more often: with 2, a 1 MiB frame in reads of 64 KiB is moved three times. 64 is the smallest power of two that lets
	// 32 KiB, the shortest read in which a large answer begins (loop's read buffer), claim more than 1 MiB: frames of that size,
	// the default of a producer's max.request.size and a consumer's max.partition.fetch.bytes, with their headers on top, are
	// allocated once and never moved. The prefix counts as received, since it shares the first read.
	trust = 64
)

// Frame is one frame without its size prefix.
type Frame struct {
	// Payload is what followed the size prefix: never nil, empty for a frame of size 0. Its capacity is clipped, unless a Memory gave it.
	Payload []byte

	// Owned says who owns Payload. True: it is transferred to the receiver for good. False: it is borrowed, aliases the
	// bytes given to [Assembler.Next] and lives as long as they do.
	Owned bool
}

// Assembler cuts a stream of bytes, arriving in chunks of any length, into frames.
//
// The zero value is ready, with a limit of [DefaultMaxBytes]. One goroutine at a time; do not copy it while a frame is incomplete.
//
// Memory for a frame follows the bytes that arrived, not the size that was promised. Nothing is held between frames, inside a size
// prefix, or after one as long as no payload came nor [Assembler.Room] was asked for; from then on each allocation has the capacity
//
//	min(size, max(4 KiB, 64 × bytes of this frame that arrived, prefix included))
//
// so a prefix that promises 99 MB and then falls silent costs at most 4 KiB, and the last allocation is exactly the frame's size. A
// [Memory] may give more than that, or less.
type Assembler struct {
	buf   []byte     // payload collected so far
	mem   Memory     // nil: make
	err   *SizeError // once set, stays until Reset
	size  uint32     // the prefix as far as it was taken; an int32 in range once taken == SizeBytes
	limit int32      // 0: DefaultMaxBytes
	taken uint8      // bytes of the prefix taken: 0 between frames, SizeBytes while the payload is collected
}

// Memory gives and takes back the buffers of frames that come in pieces. It is called by the goroutine that uses the assembler.
type Memory interface {
	// Get returns a buffer of length 0 and a capacity of least or more, which belongs to the assembler until Put or until a Frame transfers it.
	// least is what has arrived, n what the frame may claim for it. Where the frame has least already, that is, from [Assembler.Room], Get may
	// return nil: there is nothing more for now.
	Get(least, n int) []byte
	// Put takes back a buffer that the assembler outgrew.
	Put(b []byte)
}

// SetMemory makes m the source of buffers from now on; nil means that they are made and left to the garbage collector.
func (a *Assembler) SetMemory(m Memory) { a.mem = m }

// SetMaxBytes sets the largest payload that is accepted, in bytes. Zero and negative mean [DefaultMaxBytes]; more than a size can
// express (2 GiB - 1) means that. It applies to every size prefix completed after the call.
func (a *Assembler) SetMaxBytes(n int) {
	a.limit = int32(min(max(n, 0), math.MaxInt32))
}

func (a *Assembler) maxBytes() int32 {
	if a.limit == 0 {
		return DefaultMaxBytes
	}
	return a.limit
}

// Next takes the next frame out of b.
//
// With ok true, f is complete and rest is what of b comes after it. With ok false and a nil error all of b was consumed, rest is
// empty and more bytes are needed. b is borrowed until return, except that a Frame which is not Owned aliases it.
//
// The error is a [*SizeError], reported as soon as the prefix is complete and before anything is allocated. The assembler then stays
// in error: every further call returns the same one until [Assembler.Reset].
func (a *Assembler) Next(b []byte) (f Frame, rest []byte, ok bool, err error) {
	// The common case first: a frame starts here and lies whole in b. A negative size is a huge unsigned one.
	if a.taken == 0 && len(b) >= SizeBytes && a.err == nil {
		size := binary.BigEndian.Uint32(b)
		if size <= uint32(a.maxBytes()) && int(size) <= len(b)-SizeBytes {
			end := SizeBytes + int(size)
			return Frame{Payload: b[SizeBytes:end:end]}, b[end:], true, nil
		}
	}
	return a.nextInPieces(b)
}

// nextInPieces handles everything but a frame that lies whole in b.
func (a *Assembler) nextInPieces(b []byte) (f Frame, rest []byte, ok bool, err error) {
	if a.err != nil {
		return Frame{}, nil, false, a.err
	}
	if a.taken < SizeBytes {
		b = a.takePrefix(b)
		if a.taken < SizeBytes {
			return Frame{}, nil, false, nil
		}
		if a.size > uint32(a.maxBytes()) {
			return Frame{}, nil, false, a.fail()
		}
	}

	missing := a.Missing()
	if len(a.buf) == 0 && missing <= len(b) { // only the prefix came earlier: no reason to copy
		a.startOver()
		return Frame{Payload: b[:missing:missing]}, b[missing:], true, nil
	}
	n := min(missing, len(b))
	if n == 0 {
		return Frame{}, nil, false, nil
	}
	if n > cap(a.buf)-len(a.buf) {
		a.grow(len(a.buf) + n)
	}
	a.buf = append(a.buf, b[:n]...)
	f, ok = a.finished()
	return f, b[n:], ok, nil
}

// takePrefix moves bytes of b into the size until that is complete, and returns the others.
func (a *Assembler) takePrefix(b []byte) []byte {
	for len(b) > 0 && a.taken < SizeBytes {
		a.size = a.size<<8 | uint32(b[0])
		a.taken++
		b = b[1:]
	}
	return b
}

// Room returns writable memory inside the frame being collected, so that a reader can read its socket straight into it. It is nil
// unless payload is awaited, that is, non-nil exactly when [Assembler.Missing] is positive and the [Memory], if there is one, has more. It is
// never longer than what the frame still lacks, and shorter where the peer has not yet earned more memory; then the next call grows it.
//
// Room is where memory is allocated, so ask for it when bytes are known to be waiting, not while a connection idles. The slice is
// lent until the next call of any method that is not a plain question, and what was written counts only through [Assembler.Filled].
func (a *Assembler) Room() []byte {
	if a.Missing() == 0 {
		return nil
	}
	if len(a.buf) == cap(a.buf) {
		a.grow(len(a.buf))
		if len(a.buf) == cap(a.buf) {
			return nil
		}
	}
	return a.buf[len(a.buf):a.room()]
}

// Filled says that the first n bytes of what [Assembler.Room] returned were written. With ok true they completed f, which is Owned.
// It panics if n is negative or more than Room had.
func (a *Assembler) Filled(n int) (f Frame, ok bool) {
	if room := a.room() - len(a.buf); n < 0 || n > room {
		panic(fmt.Sprintf("frame: Filled(%d) of a Room of %d bytes", n, room))
	}
	if n == 0 {
		return Frame{}, false
	}
	a.buf = a.buf[:len(a.buf)+n]
	return a.finished()
}

// room is up to where the buffer may be filled: its capacity, or the frame's size where a Memory gave more.
func (a *Assembler) room() int { return min(cap(a.buf), int(a.size)) }

// Missing returns how many bytes the frame being collected still lacks. It is 0 between frames, inside a size prefix and after an error.
func (a *Assembler) Missing() int {
	if a.taken < SizeBytes {
		return 0
	}
	return int(a.size) - len(a.buf)
}

// MidFrame says whether bytes of an incomplete frame were taken, its size prefix included: if the stream ends now, it was cut. It is
// false after an error.
func (a *Assembler) MidFrame() bool { return a.taken > 0 }

// Progress returns how many payload bytes of the incomplete frame were collected and how many its size prefix promised, for the text of
// an error. Both are 0 between frames and inside a size prefix.
func (a *Assembler) Progress() (have, want int) {
	if a.taken < SizeBytes {
		return 0, 0
	}
	return len(a.buf), int(a.size)
}

// Held returns how many bytes of memory the incomplete frame occupies: the capacity of its buffer, not what of it is filled.
func (a *Assembler) Held() int { return cap(a.buf) }

// Reset drops an incomplete frame and an error, as for a new connection. The limit stays.
func (a *Assembler) Reset() {
	a.startOver()
	a.err = nil
}

// grow moves what was collected into a buffer of the capacity that arrived payload bytes justify. That holds arrived bytes and,
// while the frame is incomplete, at least one more: the factor is above one, and the size is above arrived. A Memory may have less.
func (a *Assembler) grow(arrived int) {
	earned := max(minBufferBytes, trust*int64(arrived+SizeBytes)) // int64: the product may not fit an int of 32 bits
	n := int(min(earned, int64(a.size)))
	if a.mem == nil {
		grown := make([]byte, len(a.buf), n)
		copy(grown, a.buf)
		a.buf = grown
		return
	}
	grown := a.mem.Get(arrived, n)
	if grown == nil && arrived == len(a.buf) {
		return
	}
	grown = append(grown[:0], a.buf...)
	if a.buf != nil {
		a.mem.Put(a.buf)
	}
	a.buf = grown
}

// finished hands the buffer over if it holds the whole frame.
func (a *Assembler) finished() (Frame, bool) {
	if len(a.buf) < int(a.size) {
		return Frame{}, false
	}
	f := Frame{Payload: a.buf, Owned: true}
	a.startOver()
	return f, true
}

func (a *Assembler) startOver() { a.buf, a.size, a.taken = nil, 0, 0 }

// fail puts the assembler into its error for the complete but unacceptable prefix in a.size.
func (a *Assembler) fail() error {
	a.err = newSizeError(a.size, a.maxBytes())
	a.startOver()
	return a.err
}
