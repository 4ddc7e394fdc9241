package loop

import "sync"

const (
	// combineBytes is the size at which a pending buffer is full and the next one begins: larger writes gain nothing (measured with conn1-callers256).
	combineBytes = 64 << 10

	// lendBytes is the size from which the request of a waiting caller is written from the caller's own slice instead of being copied.
	// Below it the copy costs less than the bookkeeping (guessed, from the copy's 1 µs for 32 KiB).
	lendBytes = 32 << 10

	// keepBytes is the largest buffer that goes back to the pool.
	keepBytes = 4 * combineBytes
)

// buffer is a link in the chain of bytes waiting to be sent: either pooled memory that combines many small requests, or the slice of a caller
// who waits (lender). Guarded by Conn.mu while in the chain, by the writer once taken.
type buffer struct {
	b      []byte
	off    uint64 // offset of b[0] in the connection's stream
	lender *entry // whose bytes b are; nil where they are the buffer's own
	next   *buffer
}

var bufferPool = sync.Pool{New: func() any { return new(buffer) }}

// buffersOut counts buffers taken and not given back, for the leak checks of tests.
var buffersOut gauge

func newBuffer(off uint64) *buffer {
	buffersOut.add(1)
	b := bufferPool.Get().(*buffer)
	b.off = off
	return b
}

func (b *buffer) free() {
	buffersOut.add(-1)
	own := b.b[:0]
	if b.lender != nil || cap(own) > keepBytes {
		own = nil
	}
	*b = buffer{b: own}
	bufferPool.Put(b)
}
