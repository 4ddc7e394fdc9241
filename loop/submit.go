package loop

import (
	"context"
	"encoding/binary"
	"runtime"
	"time"

	"kafkaio/frame"
)

// minRequestBytes is the shortest request header, version 0: key, version, correlation id (protocol guide, "Request Header v0").
const minRequestBytes = 8

// RoundTrip sends a request and waits for its answer. It may be called from any goroutine but a loop's.
//
// request is header and body without the size prefix; it is borrowed until RoundTrip returns and never written to: the connection's own
// correlation id is stamped into the copy that is sent. The answer, all that follows its size prefix, belongs to the caller and carries
// the correlation id that the caller's header has.
//
// The deadline is timeout from now, or the deadline of ctx if that comes first; 0 is no timeout. Errors are of type *OpError: a deadline
// matches os.ErrDeadlineExceeded and context.DeadlineExceeded, a cancelled ctx its cause, ErrQueueFull a full queue where Limits ask for it.
func (c *Conn) RoundTrip(ctx context.Context, request []byte, timeout time.Duration) ([]byte, error) {
	e, err := c.start(ctx, "request", request, timeout, entryInFlight)
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, e)
}

// finish waits for the end of a request and gives it.
func (c *Conn) finish(ctx context.Context, e *entry) ([]byte, error) {
	c.await(ctx, e)
	response, err := e.response, e.err
	if err != nil {
		err = &OpError{Op: "request", Addr: c.addr, Err: err, Unsent: e.unsent, Elapsed: time.Duration(now() - e.begun)}
	}
	if e.timing != nil {
		c.tellRequest(e, false, err)
	}
	e.free()
	return response, err
}

// SendOneWay sends a request that has no answer (a Produce with acks=0) and returns when all its bytes are in the kernel's hands.
// Slices, deadline and errors are those of RoundTrip.
func (c *Conn) SendOneWay(ctx context.Context, request []byte, timeout time.Duration) error {
	e, err := c.start(ctx, "send", request, timeout, entryOneWay)
	if err != nil {
		return err
	}
	c.await(ctx, e)
	err = e.err
	if err != nil {
		err = &OpError{Op: "send", Addr: c.addr, Err: err, Unsent: e.unsent, Elapsed: time.Duration(now() - e.begun)}
	}
	if e.timing != nil {
		c.tellRequest(e, true, err)
	}
	e.free()
	return err
}

// Submit sends a request and returns at once; done is called exactly once with its end, on the goroutine of the connection's loop.
// It may be called from anywhere, done included; it never waits: a full queue is ErrQueueFull (see Hold for the exception), and so
// is a full engine, also on a connection that has nothing in flight: try again later. When it returns an error, done is not called.
//
// request is borrowed until Submit returns. The response is borrowed by done until done returns; it carries the caller's correlation id.
// done must not block: every connection of that loop waits for it. If it panics, the connection is closed with a PanicError.
// The zero deadline is none.
func (c *Conn) Submit(request []byte, deadline time.Time, done func(response []byte, err error)) error {
	if len(request) < minRequestBytes {
		return &OpError{Op: "request", Addr: c.addr, Err: errShortRequest, Unsent: true}
	}
	e := newEntry()
	e.deadline, e.done, e.state = instant(deadline), done, entryInFlight
	if c.watch != nil {
		c.watch.accept(e, request, now())
	}
	c.mu.Lock()
	if err := c.refusalLocked(); err != nil {
		return c.refuse(e, "request", err)
	}
	if c.waiting.n > 0 || !c.admitLocked(request) {
		if c.holds == 0 || c.inFlight.n+c.waiting.n >= c.limits.MaxInFlight || c.lined > 0 && int(c.lined)+len(request) > c.limits.MaxPendingBytes ||
			!c.engine.sending.take(frameBytes(request)) {
			return c.refuse(e, "request", ErrQueueFull)
		}
		e.charged = true
		c.lined += int32(len(request))
		e.request = append([]byte(nil), request...) // the caller's is borrowed until return only
		c.waitLocked(e)
		c.mu.Unlock()
		return nil
	}
	c.counters.requests++
	if c.limits.wakeDelay > 0 && c.nextID%submitSample == 0 {
		e.begun = now()
	}
	c.enqueueLocked(e, request)
	c.armLocked(e.deadline)
	c.writeUnlock(false)
	return nil
}

// submitSample is how many requests of Submit there are to one whose round trip is timed.
const submitSample = 16

// refuse unlocks and gives back an entry that was not accepted.
func (c *Conn) refuse(e *entry, op string, err error) error {
	c.refusedLocked(err)
	c.mu.Unlock()
	e.free()
	return &OpError{Op: op, Addr: c.addr, Err: err, Unsent: true}
}

// Ahead is RoundTrip for a request that passes those whom Hold keeps waiting, and the limits: for what the connection itself has to say, such
// as its re-authentication. The id of the caller's header comes back as with RoundTrip.
func (c *Conn) Ahead(ctx context.Context, request []byte, timeout time.Duration) ([]byte, error) {
	return c.ahead(ctx, request, timeout, false)
}

// AheadRaw is Ahead for a message without a header: it sends the size prefix and the token, and takes the next frame for the answer to it. It is how
// SASL tokens travel after a SaslHandshake of version 0 (KIP-152 has what came after). Nothing else may be in flight behind it that the peer could answer first.
func (c *Conn) AheadRaw(ctx context.Context, token []byte, timeout time.Duration) ([]byte, error) {
	return c.ahead(ctx, token, timeout, true)
}

func (c *Conn) ahead(ctx context.Context, message []byte, timeout time.Duration, raw bool) ([]byte, error) {
	e, err := c.startAhead(ctx, message, timeout, raw)
	if err != nil {
		return nil, err
	}
	return c.finish(ctx, e)
}

// Hold keeps new requests waiting, as a full queue does, until Unhold has been called as often as Hold: RoundTrip and SendOneWay wait within their
// deadlines, and Submit queues too, up to MaxInFlight. Requests that are queued already go on. RefuseWhenFull does not apply.
func (c *Conn) Hold() {
	c.mu.Lock()
	c.holds++
	c.mu.Unlock()
}

// Unhold takes one Hold back and lets go who waited for it.
func (c *Conn) Unhold() {
	c.mu.Lock()
	if c.holds == 0 {
		c.mu.Unlock()
		panic("loop: Unhold without Hold")
	}
	c.holds--
	c.promoteUnlock()
}

// promoteUnlock queues those who wait for room, as far as there is room, sees to it that they are written, and unlocks.
func (c *Conn) promoteUnlock() {
	c.promoteLocked()
	if c.head == nil || c.writing {
		c.mu.Unlock()
		return
	}
	c.writing = true
	c.mu.Unlock()
	c.flush()
}

// start accepts a request for a caller who waits: queued at once, or in the line for room.
func (c *Conn) start(ctx context.Context, op string, request []byte, timeout time.Duration, state entryState) (*entry, error) {
	if len(request) < minRequestBytes {
		return nil, &OpError{Op: op, Addr: c.addr, Err: errShortRequest, Unsent: true}
	}
	e, err := c.prepare(ctx, op, request, timeout, state)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	if err := c.refusalLocked(); err != nil {
		return nil, c.refuse(e, op, err)
	}
	if c.waiting.n > 0 || !c.admitLocked(request) {
		if c.limits.RefuseWhenFull && c.holds == 0 {
			return nil, c.refuse(e, op, ErrQueueFull)
		}
		e.request = request
		e.oneWay = state == entryOneWay
		c.waitLocked(e)
		c.promoteUnlock() // the first to wait may have to stand in the engine's line
		return e, nil
	}
	c.counters.requests++
	c.enqueueLocked(e, request)
	c.armLocked(e.deadline)
	c.writeUnlock(true)
	return e, nil
}

// startAhead is start past the line.
func (c *Conn) startAhead(ctx context.Context, request []byte, timeout time.Duration, raw bool) (*entry, error) {
	if !raw && len(request) < minRequestBytes {
		return nil, &OpError{Op: "request", Addr: c.addr, Err: errShortRequest, Unsent: true}
	}
	e, err := c.prepare(ctx, "request", request, timeout, entryInFlight)
	if err != nil {
		return nil, err
	}
	if raw {
		e.raw, e.lend = true, false
	}
	c.mu.Lock()
	if err := c.refusalLocked(); err != nil {
		return nil, c.refuse(e, "request", err)
	}
	c.counters.requests++
	c.engine.sending.force(frameBytes(request))
	c.enqueueLocked(e, request)
	c.armLocked(e.deadline)
	c.writeUnlock(false)
	return e, nil
}

// leaveLineLocked takes a request out of the line and gives its bytes.
func (c *Conn) leaveLineLocked(e *entry) []byte {
	c.waiting.remove(e)
	request := e.request
	e.request = nil
	if e.done != nil {
		c.lined -= int32(len(request))
	}
	return request
}

// quitLineLocked takes a request out of the line that will not be sent.
func (c *Conn) quitLineLocked(e *entry) {
	if e.charged {
		c.engine.sending.put(frameBytes(e.request))
	}
	c.leaveLineLocked(e)
	c.engine.sending.shrink(c)
}

// waitLocked puts a request into the line.
func (c *Conn) waitLocked(e *entry) {
	e.state, e.lined = entryWaiting, true
	c.counters.requests++
	c.waiting.pushBack(e)
	c.armLocked(e.deadline)
}

// prepare makes the entry of a request whose caller waits.
func (c *Conn) prepare(ctx context.Context, op string, request []byte, timeout time.Duration, state entryState) (*entry, error) {
	begun := now()
	deadline := int64(never)
	if timeout > 0 && int64(timeout) < never-begun {
		deadline = begun + int64(timeout)
	}
	if ctx.Done() != nil {
		if err := contextError(ctx); err != nil {
			return nil, &OpError{Op: op, Addr: c.addr, Err: err, Unsent: true}
		}
		if d, ok := ctx.Deadline(); ok {
			deadline = min(deadline, instant(d))
		}
	}
	e := newEntry()
	e.begun, e.deadline, e.state = begun, deadline, state
	e.lend = len(request) >= lendBytes
	if c.watch != nil {
		c.watch.accept(e, request, begun)
	}
	return e, nil
}

// fitsLocked reports whether a request may be queued now.
func (c *Conn) fitsLocked(requestBytes int) bool {
	return c.holds == 0 && c.inFlight.n < c.limits.MaxInFlight &&
		(c.pending == 0 || c.pending+requestBytes+frame.SizeBytes <= c.limits.MaxPendingBytes)
}

// admitLocked is fitsLocked for the engine's budget as well, from which it takes the request's bytes.
func (c *Conn) admitLocked(request []byte) bool {
	return c.fitsLocked(len(request)) && c.engine.sending.take(frameBytes(request))
}

// promoteLocked queues those who wait for room, as far as there is room. Their bytes then wait for a writer like any other's.
func (c *Conn) promoteLocked() {
	for e := c.waiting.head; e != nil && c.state == stateOpen && c.fitsLocked(len(e.request)); e = c.waiting.head {
		if !e.charged && !c.engine.sending.takeTurn(c, frameBytes(e.request)) {
			return
		}
		request := c.leaveLineLocked(e)
		e.state = entryInFlight
		if e.oneWay {
			e.state = entryOneWay
		}
		c.enqueueLocked(e, request)
		c.armLocked(e.deadline) // onTimer may be walking the lists, and have passed their ends
	}
	c.engine.sending.leave(c)
}

// enqueueLocked gives the request its correlation id and its place in both queues, of answers and of bytes, so that their order is the same. Its
// bytes have been taken from the engine's budget.
func (c *Conn) enqueueLocked(e *entry, request []byte) {
	id := c.nextID
	c.nextID = (c.nextID + 1) & 0x7fffffff
	e.id = id
	if !e.raw {
		e.callerID = frame.CorrelationID(binary.BigEndian.Uint32(request[4:]))
	}
	e.start = c.queued
	if e.state == entryOneWay {
		c.oneWay.pushBack(e)
	} else {
		c.inFlight.pushBack(e)
		c.heatLocked()
	}

	t := c.tail
	if t == nil || t.lender != nil || len(t.b) >= combineBytes {
		t = newBuffer(c.queued)
		c.linkLocked(t)
	}
	t.b = binary.BigEndian.AppendUint32(t.b, uint32(len(request)))
	if e.raw {
		t.b = append(t.b, request...)
	} else {
		t.b = append(t.b, request[:4]...)
		t.b = binary.BigEndian.AppendUint32(t.b, uint32(id))
	}
	switch {
	case e.raw:
	case e.lend:
		l := newBuffer(c.queued + frame.SizeBytes + minRequestBytes)
		l.b, l.lender = request[minRequestBytes:], e
		e.borrowed = true
		c.linkLocked(l)
	default:
		t.b = append(t.b, request[minRequestBytes:]...)
	}
	n := frame.SizeBytes + len(request)
	c.queued += uint64(n)
	c.pending += n
	e.end = c.queued
}

// linkLocked appends a buffer to the pending chain.
func (c *Conn) linkLocked(b *buffer) {
	if c.tail == nil {
		c.head = b
	} else {
		c.tail.next = b
	}
	c.tail = b
}

// writeUnlock sees to it that what was queued is written, by whoever writes already or by this goroutine, and unlocks.
//
// The yield is what makes combining work: with other requests in flight other callers are about to queue theirs, and one write then carries
// them all (BENCHMARKS.md, conn1-callers64). A lone caller must not yield: nobody is coming. Nor does Submit, whose caller has more to do than to wait.
func (c *Conn) writeUnlock(mayYield bool) {
	if c.writing {
		c.mu.Unlock()
		return
	}
	c.writing = true
	company := mayYield && c.inFlight.n > 1
	c.mu.Unlock()
	if company {
		runtime.Gosched()
	}
	c.flush()
}

// await returns when the entry has ended: answered by somebody else, or abandoned here because ctx did.
func (c *Conn) await(ctx context.Context, e *entry) {
	if done := ctx.Done(); done == nil {
		<-e.ready
	} else {
		select {
		case <-e.ready:
		case <-done:
			c.cancel(e, contextError(ctx))
		}
	}
	if e.lend {
		c.reclaim(ctx, e)
	}
}

// cancel abandons a request whose caller has given up, unless its end has come first, which then counts.
func (c *Conn) cancel(e *entry, cause error) {
	c.mu.Lock()
	if e.state == entryAnswered {
		c.mu.Unlock()
		<-e.ready
		return
	}
	ask := c.abandonLocked(e, cause)
	c.checkDrainedLocked()
	c.mu.Unlock()
	if ask {
		c.reg.close()
	}
}

// reclaim returns when no writer refers to the caller's bytes any more. They may still be on their way when the call has ended: its deadline has passed
// during a stall, or a peer has answered what it has not read. The connection is then cut off, at the call's deadline at the latest.
func (c *Conn) reclaim(ctx context.Context, e *entry) {
	c.mu.Lock()
	if !e.borrowed {
		c.mu.Unlock()
		return
	}
	if e.released == nil {
		e.released = make(chan struct{}, 1)
	}
	e.awaited = true
	c.mu.Unlock()
	patience := time.Duration(min(e.deadline-now(), int64(c.limits.MaxAbandonedAge)))
	late := time.NewTimer(max(patience, 0))
	defer late.Stop()
	select {
	case <-e.released:
		return
	case <-late.C:
	case <-ctx.Done():
	}
	c.fail(ErrCutRequest)
	<-e.released
}
