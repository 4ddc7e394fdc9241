package loop

import (
	"encoding/binary"
	"runtime/debug"

	"kafkaio/frame"
)

const (
	// batchFrames is how many answers are matched under one hold of the lock (guessed; the array lives on the loop's stack).
	batchFrames = 32

	// directBytes is how much an answer must still lack for it to be read from the socket straight into its frame: less is not worth a read of its own.
	directBytes = 16 << 10
)

// answer is a frame and the request that it answers, nil for a late one.
type answer struct {
	frame frame.Frame
	e     *entry
}

// onData implements sink.
func (c *Conn) onData(b []byte) bool {
	ok := false
	if c.tls != nil {
		ok = c.pump(b)
	} else {
		ok = c.onBytes(b)
	}
	if ok && c.engine.receiving.waits(c) {
		c.holdBack()
	}
	return ok
}

// next takes the next answer out of b. One that was collected counts no more in the engine's budget.
func (c *Conn) next(b []byte) (f frame.Frame, rest []byte, ok bool, err error) {
	f, rest, ok, err = c.in.Next(b)
	if f.Owned {
		c.engine.receiving.release(c)
	}
	return f, rest, ok, err
}

// onBytes cuts bytes into frames, matches each to the oldest request in flight, and ends those requests.
func (c *Conn) onBytes(b []byte) bool {
	if c.watch != nil {
		c.watch.onRead(c.in.MidFrame())
	}
	f, rest, ok, err := c.next(b)
	if ok && len(rest) == 0 { // by far the most: one answer and nothing else
		one := [1]answer{{frame: f}}
		return c.deliver(one[:])
	}
	if err != nil {
		c.fail(err)
		return false
	}
	if !ok {
		return true
	}
	return c.onMany(f, rest)
}

// onMany is onBytes for several answers at once, of which f is the first. Its array would be too dear to clear for a single one.
func (c *Conn) onMany(f frame.Frame, b []byte) bool {
	var batch [batchFrames]answer
	batch[0].frame = f
	for n := 1; ; n = 0 {
		var err error
		for n < batchFrames && len(b) > 0 && err == nil {
			var ok bool
			if batch[n].frame, b, ok, err = c.next(b); ok {
				n++
			}
		}
		if n > 0 && !c.deliver(batch[:n]) {
			return false
		}
		if err != nil {
			c.fail(err)
			return false
		}
		if len(b) == 0 {
			return true
		}
		clear(batch[:n])
	}
}

// direct implements sink: the rest of a large answer goes from the socket straight into its frame. What TLS has to decrypt cannot.
func (c *Conn) direct() []byte {
	if c.tls != nil {
		return nil
	}
	into := c.room()
	if p := c.receipt.Load(); into == nil && p != nil && p.waiting {
		c.holdBack()
	}
	return into
}

// room is memory in the frame of a large answer that is being collected, or nil: also where there is none for it.
func (c *Conn) room() []byte {
	if c.in.Missing() < directBytes || c.engine.receiving.waits(c) {
		return nil
	}
	return c.in.Room()
}

// filled implements sink.
func (c *Conn) filled(n int) bool {
	if c.watch != nil {
		c.watch.onRead(true)
	}
	f, ok := c.in.Filled(n)
	if !ok {
		return true
	}
	c.engine.receiving.release(c)
	one := [1]answer{{frame: f}}
	return c.deliver(one[:])
}

// deliver matches frames to the oldest requests in flight and ends those.
//
// Where it runs callbacks, the loop takes the writer's role for as long: the requests that they submit then leave in one write.
func (c *Conn) deliver(batch []answer) bool {
	var err error
	callbacks := false

	c.mu.Lock()
	if c.state >= stateClosing {
		c.mu.Unlock()
		return false
	}
	for i := range batch {
		a := &batch[i]
		c.counters.bytesIn += uint64(frame.SizeBytes + len(a.frame.Payload))
		if a.e, err = c.matchLocked(a.frame.Payload); err != nil {
			break
		}
		if c.watch != nil {
			c.watch.answeredLocked(a)
		}
		callbacks = callbacks || a.e != nil && a.e.done != nil
	}
	c.learnLocked(batch)
	if c.waiting.n > 0 {
		c.promoteLocked()
	}
	// Several callers at once ask again at once: the loop stays the writer until they have.
	kept := len(batch) > 1 && !callbacks && !c.writing && c.polling != nil && c.polling.step > 0 && c.polling.loop.keep(c)
	write := !c.writing && (kept || callbacks || c.head != nil)
	if write {
		c.writing = true // and flush tells the loop whether it is still hot
	} else {
		c.heatLocked()
	}
	c.checkDrainedLocked()
	ask := err != nil && c.failLocked(err)
	c.mu.Unlock()

	if c.watch != nil {
		c.tellRead()
	}
	for i := range batch {
		if e := batch[i].e; e != nil {
			c.end(e, batch[i].frame)
		}
	}
	if write && !kept {
		c.flush()
	}
	return !ask
}

// matchLocked takes the request that an answer belongs to out of the queue: the oldest one, or the stream is out of step. nil for a late answer.
func (c *Conn) matchLocked(payload []byte) (*entry, error) {
	if e := c.inFlight.head; e != nil && e.raw {
		return c.takeAnsweredLocked(e), nil
	}
	id, ok := frame.PeekCorrelationID(payload)
	if !ok {
		return nil, ErrShortFrame
	}
	e := c.inFlight.head
	switch {
	case e == nil:
		return nil, &CorrelationError{Got: id, Idle: true}
	case e.id != id:
		return nil, &CorrelationError{Want: e.id, Got: id}
	case e.start >= c.taken:
		return nil, ErrEarlyAnswer
	}
	return c.takeAnsweredLocked(e), nil
}

// takeAnsweredLocked takes a request whose answer has come out of the queue. nil for one that was given up.
func (c *Conn) takeAnsweredLocked(e *entry) *entry {
	c.inFlight.remove(e)
	if e.state == entryTombstone {
		c.abandoned--
		c.counters.late++
		e.free()
		return nil
	}
	e.state = entryAnswered
	c.counters.answered++
	return e
}

// end gives the answer to who waits for it: lent to a callback, for good to a waiting caller.
func (c *Conn) end(e *entry, f frame.Frame) {
	response := f.Payload
	if done := e.done; done != nil {
		binary.BigEndian.PutUint32(response, uint32(e.callerID))
		if e.timing != nil {
			c.tellRequest(e, false, nil)
		}
		e.free() // before the callback, whose next request then finds it in cache
		c.call(done, response, nil)
		if f.Owned {
			putLarge(response)
		}
		return
	}
	if !f.Owned {
		response = append(make([]byte, 0, len(response)), response...)
	}
	if !e.raw {
		binary.BigEndian.PutUint32(response, uint32(e.callerID))
	}
	e.response = response
	e.ready <- struct{}{} // capacity 1 and ours alone: never blocks
}

// endAll ends requests with the errors that stand in them. Those with callbacks only on the loop.
func (c *Conn) endAll(l *entryList) {
	for e := l.head; e != nil; e = l.head {
		l.remove(e)
		if done := e.done; done != nil {
			var err error = &OpError{Op: "request", Addr: c.addr, Err: e.err, Unsent: e.unsent}
			if c.owner != nil {
				err = c.owner.WrapError(err)
			}
			if e.timing != nil {
				c.tellRequest(e, false, err)
			}
			e.free()
			c.call(done, nil, err)
			continue
		}
		e.ready <- struct{}{} // capacity 1 and ours alone: never blocks
	}
}

// call runs a callback. A panic in it ends its connection, not the process with all the others.
func (c *Conn) call(done func([]byte, error), response []byte, err error) {
	returned := false
	defer func() {
		if !returned {
			c.recovered(recover())
		}
	}()
	done(response, err)
	returned = true
}

// recovered deals with a callback that did not return.
func (c *Conn) recovered(v any) {
	if v == nil { // panic(nil) has a value since Go 1.21
		panic("loop: a callback of Submit has called runtime.Goexit (testing's FailNow does), which ends the event loop and all its connections")
	}
	p := &PanicError{Value: v, Stack: debug.Stack()}
	c.engine.report("recovered a panic in a callback; its connection is closed", "addr", c.addr, "panic", p.Value, "stack", string(p.Stack))
	c.fail(p)
}
