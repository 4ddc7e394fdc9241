package loop

import (
	"kafkaio/syscalls"
)

// takeLocked takes the next bytes to write off the pending chain: a buffer, and with it the lent one that it leads into. nil when nothing is pending.
func (c *Conn) takeLocked() *buffer {
	b := c.head
	if b == nil {
		return nil
	}
	last := b
	if b.next != nil && b.next.lender != nil {
		last = b.next
	}
	c.head = last.next
	if c.head == nil {
		c.tail = nil
	}
	last.next = nil
	c.taken = last.off + uint64(len(last.b))
	return b
}

// flush writes what is pending until nothing is. Only who has set c.writing calls it; it gives the role up, or passes it on to a stalled writer.
func (c *Conn) flush() {
	c.mu.Lock()
	for {
		b := c.takeLocked()
		if b == nil && c.tls != nil && c.tls.blocked() { // what TLS has to say by itself waits for room
			c.mu.Unlock()
			c.stallOn(nil, 0)
			return
		}
		if b == nil {
			c.writing = false
			c.heatLocked()
			c.checkDrainedLocked()
			c.mu.Unlock()
			return
		}
		if c.watch != nil {
			c.watch.takeLocked(c, b)
		}
		c.mu.Unlock()
		n, err := c.transmit(b.bytes())
		if err != nil && syscalls.IsRetry(err) {
			c.stallOn(b, n)
			return
		}
		if c.watch != nil {
			c.observeWrite(b, err)
		}
		if err != nil {
			c.dropWrite(b, err)
			return
		}
		c.mu.Lock()
		c.wroteLocked(b)
	}
}

// transmit writes bytes to the socket, through TLS where there is one, without waiting.
func (c *Conn) transmit(own, lent []byte) (n int, err error) {
	if c.tls != nil {
		return c.tls.write(own, lent)
	}
	return c.sock.write(own, lent)
}

// sent is the offset in the stream of all bytes up to which they may have left: exact, but with TLS, where what has been encrypted counts.
func (c *Conn) sent() uint64 {
	if c.tls != nil {
		return c.tls.handed.Load()
	}
	return c.sock.written.Load()
}

// bytes gives the two parts of what takeLocked took.
func (b *buffer) bytes() (own, lent []byte) {
	if b == nil {
		return nil, nil
	}
	if b.next != nil {
		return b.b, b.next.b
	}
	return b.b, nil
}

// wroteLocked frees what was written, ends the one-way requests in it, and lets in who waited for the room.
func (c *Conn) wroteLocked(b *buffer) {
	c.releaseLocked(b)
	for e := c.oneWay.head; e != nil && e.end <= c.taken; e = c.oneWay.head {
		c.oneWay.remove(e)
		e.state = entryAnswered
		c.counters.oneWay++
		e.ready <- struct{}{} // capacity 1 and ours alone: never blocks
		c.idleSince = now()
	}
	if c.waiting.n > 0 {
		c.promoteLocked()
	}
}

// releaseLocked gives back a buffer that takeLocked took, and to its lender the bytes that were lent.
func (c *Conn) releaseLocked(b *buffer) {
	before := c.pending
	for b != nil {
		next := b.next
		c.pending -= len(b.b)
		if e := b.lender; e != nil {
			e.borrowed = false
			if e.awaited {
				e.released <- struct{}{}
			}
		}
		b.free()
		b = next
	}
	if n := before - c.pending; n > 0 {
		c.engine.sending.put(int64(n))
	}
}

// dropPendingLocked gives up all that nobody has begun to write.
func (c *Conn) dropPendingLocked() {
	for b := c.takeLocked(); b != nil; b = c.takeLocked() {
		c.releaseLocked(b)
	}
}

// dropWrite ends the writer's role after an error: the connection is over, and its writer keeps the role so that nobody else begins.
func (c *Conn) dropWrite(b *buffer, err error) {
	c.mu.Lock()
	c.releaseLocked(b)
	if c.state == stateClosed {
		c.dropPendingLocked()
	}
	ask := c.failLocked(err)
	c.mu.Unlock()
	if ask {
		c.reg.close()
	}
}

// stallOn passes the writer's role, with n bytes of b written, to a goroutine that may wait for room in the socket. Callers do not wait
// themselves: their deadline may be earlier than the end of what they happen to write for others, and a loop must never wait.
func (c *Conn) stallOn(b *buffer, n int) {
	w, err := c.sock.stall()
	if c.watch != nil && b != nil {
		c.markWritten(b)
	}
	if err != nil {
		if c.watch != nil {
			c.observeWrite(b, err)
		}
		c.dropWrite(b, err)
		return
	}
	c.mu.Lock()
	if c.state == stateClosed {
		c.mu.Unlock()
		w.release()
		if c.watch != nil {
			c.observeWrite(b, ErrClosed)
		}
		c.dropWrite(b, ErrClosed)
		return
	}
	w.patience = max(c.limits.MaxStall, 0)
	w.excused = func() bool { return c.blameless(c.limits.MaxStall) > now() }
	c.stalled = true
	c.counters.stalls++
	ask := c.cutLocked(b) && c.failLocked(ErrCutRequest)
	c.mu.Unlock()
	if ask {
		c.reg.close()
	}
	go c.writeStalled(w, b, n)
}

// cutLocked reports whether a request that was given up during the write that has just found the socket full is cut off by it: its bytes are lent, or
// only a part of them has left. abandonLocked could not know.
func (c *Conn) cutLocked(b *buffer) bool {
	if b != nil && b.next != nil && b.next.lender.state == entryAnswered {
		return true
	}
	written := c.sent()
	for e := c.inFlight.head; e != nil && e.start < written; e = e.next {
		if e.state == entryTombstone && written < e.end {
			return true
		}
	}
	return false
}

// writeStalled writes the rest of b and then whatever has become pending meanwhile, waiting for room.
//
// Started by stallOn when the socket is full; ended by an empty queue or by onClose, which closes the descriptor that it waits on;
// Close and Shutdown wait for it.
func (c *Conn) writeStalled(w stall, b *buffer, n int) {
	own, lent := b.bytes()
	var err error
	if c.tls != nil {
		err = c.tls.writeStalled(w, own, lent, n)
	} else {
		err = w.writeRest(own, lent, n)
	}
	w.release()
	if c.watch != nil {
		c.observeWrite(b, err)
	}

	c.mu.Lock()
	c.stalled = false
	if c.state == stateClosed { // onClose has left the end to this writer
		c.releaseLocked(b)
		c.endLocked()
		c.mu.Unlock()
		return
	}
	if err != nil {
		c.mu.Unlock()
		c.dropWrite(b, err)
		return
	}
	c.wroteLocked(b)
	c.mu.Unlock()
	c.flush()
}

// writeRest writes what is left of the two parts after n bytes, waiting for room.
func (w stall) writeRest(a, b []byte, n int) error {
	for _, part := range [...][]byte{a, b} {
		if n >= len(part) {
			n -= len(part)
			continue
		}
		if _, err := w.writeAll(part[n:], never); err != nil {
			return err
		}
		n = 0
	}
	return nil
}
