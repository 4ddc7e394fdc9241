package loop

// abandonLocked ends a request that nobody waits for any more, by deadline or cancel, with cause; the caller then signals who has to know.
// A request that has not left is taken out of the queue; for one that has, a tombstone waits for the late answer; one that is cut off in
// the middle poisons the connection. The caller must call c.reg.close() after unlocking if it returns true.
func (c *Conn) abandonLocked(e *entry, cause error) (ask bool) {
	was := e.state
	e.state = entryAnswered
	e.err = cause
	c.countLocked(giveUpClass(cause), 1, cause)
	if was == entryWaiting {
		c.quitLineLocked(e)
		e.unsent = true
		return false
	}
	list := &c.inFlight
	if was == entryOneWay {
		list = &c.oneWay
	}
	if e.start >= c.taken {
		list.remove(e)
		c.unqueueLocked(e)
		e.unsent = true
		c.promoteLocked()
		c.heatLocked()
		return false
	}
	written := c.sent()
	cut := c.stalled && (e.start < written && written < e.end || e.borrowed)
	if was == entryOneWay {
		list.remove(e)
	} else {
		t := newEntry()
		t.state = entryTombstone
		t.id, t.raw, t.start, t.end = e.id, e.raw, e.start, e.end
		t.deadline = after(c.limits.MaxAbandonedAge)
		list.replace(e, t)
		c.abandoned++
		c.armLocked(t.deadline)
		if int(c.abandoned) > c.limits.MaxAbandoned {
			ask = c.failLocked(ErrUnanswered)
		}
	}
	if cut {
		ask = c.failLocked(ErrCutRequest) || ask
	}
	return ask
}

// unqueueLocked cuts the bytes of a request that no writer has taken out of the pending chain, and moves all that follow up.
func (c *Conn) unqueueLocked(e *entry) {
	n := e.end - e.start
	var prev *buffer
	for b := c.head; b != nil; prev, b = b, b.next {
		if b.lender == e {
			// The lent part follows its head, which has been cut out of prev by now.
			e.borrowed = false
			prev.next = b.next
			if c.tail == b {
				c.tail = prev
			}
			b.free()
			b = prev
			continue
		}
		switch {
		case b.off > e.start:
			b.off -= n
		case e.start < b.off+uint64(len(b.b)):
			i := e.start - b.off
			j := min(i+n, uint64(len(b.b)))
			b.b = append(b.b[:i], b.b[j:]...)
		}
	}
	for _, l := range [...]*entryList{&c.inFlight, &c.oneWay} {
		for x := l.tail; x != nil && x.start > e.start; x = x.prev {
			x.start -= n
			x.end -= n
		}
	}
	c.queued -= n
	c.pending -= int(n)
	c.engine.sending.put(int64(n))
	if c.head != nil && len(c.head.b) == 0 && c.head.next == nil { // an empty buffer must not look like pending bytes
		c.head.free()
		c.head, c.tail = nil, nil
	}
}
