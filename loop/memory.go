package loop

import (
	"math/bits"
	"sync"
)

// Large answers that callbacks borrow are collected in memory that is used again: at some thousands of 1 MiB answers a second the garbage
// collector would cost more than the network. Answers that a waiting caller keeps are allocated, in their own size.

const (
	// minLargeBytes is the least that is worth keeping: what is smaller mostly comes whole in one read and needs no memory at all.
	minLargeBytes = 16 << 10
	// maxLargeBytes is the most that is kept.
	maxLargeBytes = 64 << 20
	// largeSteps is how many sizes there are to each doubling: at most a quarter of a buffer is unused.
	largeSteps = 4
)

// largePools hold buffers by the size that they have at least.
var largePools [64 * largeSteps]sync.Pool

// largeClass is the largest class whose size is at most n, and that size.
func largeClass(n int) (class, size int) {
	top := bits.Len(uint(n)) - 1
	step := n >> (top - 2) & (largeSteps - 1)
	return top*largeSteps + step, (largeSteps + step) << (top - 2)
}

// largeRoom is the class that surely has room for n bytes, and its size.
func largeRoom(n int) (class, size int) {
	class, size = largeClass(n)
	if size < n { // n lies inside its class
		class++
		size = (largeSteps + class%largeSteps) << (class/largeSteps - 2)
	}
	return class, size
}

// getLarge gives a buffer with room for n bytes, which is minLargeBytes or more.
func getLarge(n int) []byte {
	class, size := largeRoom(n)
	if b, ok := largePools[class].Get().(*[]byte); ok {
		return (*b)[:0]
	}
	return make([]byte, 0, size)
}

// putLarge keeps a buffer for getLarge if it is worth it. The caller must not use it any more.
func putLarge(b []byte) {
	if n := cap(b); n >= minLargeBytes && n <= maxLargeBytes {
		class, _ := largeClass(n)
		b = b[:0]
		largePools[class].Put(&b)
	}
}

// connMemory is a Conn as its assembler's source of memory.
type connMemory Conn

// Get implements frame.Memory, as far as the engine's budget goes. The answer that is being collected belongs, as far as can be known yet, to the
// oldest request in flight; where the guess is wrong, memory is merely not used again.
func (m *connMemory) Get(least, n int) []byte {
	c := (*Conn)(m)
	borrowed := false
	if n >= minLargeBytes {
		c.mu.Lock()
		borrowed = c.inFlight.head != nil && c.inFlight.head.done != nil
		c.mu.Unlock()
	}
	_, whole := c.in.Progress()
	if borrowed {
		_, n = largeRoom(n)
		_, whole = largeRoom(whole)
	}
	n = c.grant(least, n, whole)
	switch {
	case n <= c.in.Held():
		return nil
	case !borrowed || n < minLargeBytes:
		return make([]byte, 0, n)
	}
	b := getLarge(n)
	c.engine.receiving.cover(c, int64(cap(b)))
	return b
}

// Put implements frame.Memory.
func (*connMemory) Put(b []byte) { putLarge(b) }
