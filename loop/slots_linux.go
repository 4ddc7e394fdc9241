package loop

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// slotTable finds a loop's connections by the token that epoll brings back. A token is a slot's number and its generation, so that an event for a
// connection that has ended cannot be taken for its slot's next owner. Lookups take no lock.
type slotTable struct {
	chunks [maxChunks]atomic.Pointer[slotChunk]

	mu   sync.Mutex // guards all below
	free []uint32
	used uint32 // slots ever used
	gens []uint32
}

const (
	chunkSlots = 512
	maxChunks  = 1024 // half a million connections on one loop

	// noToken is the token of what is in no table: slot 0 is never given out.
	noToken = 0
)

// errTooManyConns refuses a connection beyond what one loop's table holds.
var errTooManyConns = fmt.Errorf("one event loop holds %d connections already: start the engine with more loops", maxChunks*chunkSlots-1)

type slotChunk [chunkSlots]atomic.Pointer[epollConn]

// add gives c a slot and sets its token, which nobody reads before. It fails when all slots are taken.
func (t *slotTable) add(c *epollConn) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	var i uint32
	if n := len(t.free); n > 0 {
		i = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if t.used == 0 {
			t.used = 1
			t.gens = append(t.gens, 0)
		}
		if t.used == maxChunks*chunkSlots {
			return errTooManyConns
		}
		i = t.used
		t.used++
		t.gens = append(t.gens, 0)
	}
	t.gens[i]++
	c.token = uint64(t.gens[i])<<32 | uint64(i)
	chunk := &t.chunks[i/chunkSlots]
	if chunk.Load() == nil {
		chunk.Store(new(slotChunk))
	}
	chunk.Load()[i%chunkSlots].Store(c)
	return nil
}

// get finds a connection, nil if it has been removed.
func (t *slotTable) get(token uint64) *epollConn {
	i := uint32(token)
	chunk := t.chunks[i/chunkSlots].Load()
	if chunk == nil {
		return nil
	}
	c := chunk[i%chunkSlots].Load()
	if c == nil || c.token != token {
		return nil
	}
	return c
}

// remove empties a slot. Once for each add.
func (t *slotTable) remove(token uint64) {
	if token == noToken {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := uint32(token)
	t.chunks[i/chunkSlots].Load()[i%chunkSlots].Store(nil)
	t.free = append(t.free, i)
}

// each calls f for every connection in the table.
func (t *slotTable) each(f func(*epollConn)) {
	for i := range t.chunks {
		chunk := t.chunks[i].Load()
		if chunk == nil {
			return
		}
		for j := range chunk {
			if c := chunk[j].Load(); c != nil {
				f(c)
			}
		}
	}
}
