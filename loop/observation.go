package loop

import (
	"encoding/binary"
	"runtime/debug"
	"sync"
	"time"

	"kafkaio/frame"
)

// timing is when an observed request came how far, by the package's clock; 0 is not yet.
type timing struct {
	key, version int16
	received     int   // bytes of the answer
	accepted     int64 // set by the caller; all below guarded by Conn.mu until the request has ended
	taken        int64
	written      int64
	answered     int64 // the first byte of the answer
	ended        int64 // the last one
}

// observation is what an observed Conn keeps. One that is not observed has none, and its requests cost some comparisons with nil.
type observation struct {
	*Observer // immutable

	// Owned by the writer.
	began    int64 // the write in progress
	requests int   // in it

	// Owned by the loop goroutine.
	readAt  int64 // the read in progress
	frameAt int64 // the read that brought the first byte of the frame that is being collected
	read    ReadInfo
}

var timingPool = sync.Pool{New: func() any { return new(timing) }}

// timingsOut counts timings taken and not given back, for the leak checks of tests.
var timingsOut gauge

func newTiming() *timing {
	timingsOut.add(1)
	return timingPool.Get().(*timing)
}

func (t *timing) free() {
	timingsOut.add(-1)
	*t = timing{}
	timingPool.Put(t)
}

func newObservation(o *Observer) *observation {
	if o == nil || o.OnWrite == nil && o.OnRead == nil && o.OnRequest == nil {
		return nil
	}
	return &observation{Observer: o}
}

// accept begins the timing of a request.
func (o *observation) accept(e *entry, request []byte, t int64) {
	if o.OnRequest == nil {
		return
	}
	e.timing = newTiming()
	e.timing.accepted = t
	if len(request) >= minRequestBytes {
		e.timing.key, e.timing.version = int16(binary.BigEndian.Uint16(request)), int16(binary.BigEndian.Uint16(request[2:]))
	}
}

// takeLocked tells of the bytes that takeLocked of the connection has just taken, for the writer to write.
func (o *observation) takeLocked(c *Conn, b *buffer) {
	o.began, o.requests = now(), 0
	for _, l := range [...]*entryList{&c.inFlight, &c.oneWay} {
		for e := l.tail; e != nil && e.start >= b.off; e = e.prev {
			if e.start >= c.taken {
				continue // still pending
			}
			o.requests++
			if e.timing != nil {
				e.timing.taken = o.began
			}
		}
	}
}

// markWritten notes for the requests in b, as far as they have left, that they have. By the writer.
func (c *Conn) markWritten(b *buffer) (t int64) {
	t = now()
	if c.watch.OnRequest == nil {
		return t
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := c.sent()
	for _, l := range [...]*entryList{&c.inFlight, &c.oneWay} {
		for e := l.tail; e != nil && e.start >= b.off; e = e.prev {
			if e.end <= sent && e.timing != nil && e.timing.written == 0 { // a tombstone has none
				e.timing.written = t
			}
		}
	}
	return t
}

// observeWrite tells of the end of a write. By the writer, before it lets go of b.
func (c *Conn) observeWrite(b *buffer, err error) {
	if b == nil { // only what TLS had to say by itself
		return
	}
	o := c.watch
	t := c.markWritten(b)
	if o.OnWrite == nil {
		return
	}
	own, lent := b.bytes()
	n := len(own) + len(lent)
	if err != nil {
		n = clamp(c.sent(), b.off, n)
	}
	returned := false
	defer c.watchHook(&returned)
	o.OnWrite(WriteInfo{Requests: o.requests, Bytes: n, Elapsed: time.Duration(t - o.began), Err: err})
	returned = true
}

// clamp is how many of n bytes from the offset start on have left, when sent have left of all.
func clamp(sent, start uint64, n int) int {
	if sent <= start {
		return 0
	}
	return int(min(sent-start, uint64(n)))
}

// onRead tells that bytes have been read. midFrame is whether they go on with a frame.
func (o *observation) onRead(midFrame bool) {
	o.readAt = now()
	if !midFrame {
		o.frameAt = o.readAt
	}
}

// answeredLocked notes an answer. On the loop, which has matched it.
func (o *observation) answeredLocked(a *answer) {
	n := frame.SizeBytes + len(a.frame.Payload)
	o.read.Responses++
	o.read.Bytes += n
	if a.e != nil && a.e.timing != nil {
		a.e.timing.answered, a.e.timing.ended, a.e.timing.received = o.frameAt, o.readAt, n
	}
	o.frameAt = o.readAt // what follows in this read has begun in it
}

// tellRead calls the hook for what answeredLocked has noted.
func (c *Conn) tellRead() {
	o := c.watch
	r := o.read
	o.read = ReadInfo{}
	if o.OnRead == nil || r.Responses == 0 {
		return
	}
	returned := false
	defer c.watchHook(&returned)
	o.OnRead(r)
	returned = true
}

// tellRequest calls the hook for the end of a request. By who ends it, or by the caller that it was ended for.
func (c *Conn) tellRequest(e *entry, oneWay bool, err error) {
	t := e.timing
	info := RequestInfo{Key: t.key, Version: t.version, CorrelationID: e.id, OneWay: oneWay, BytesReceived: t.received, Err: err}
	if e.raw {
		info.Key, info.Version = -1, -1
	}
	switch {
	case err == nil: // the peer may have answered before the socket's count was raised
		info.BytesSent = int(e.end - e.start)
	case t.taken > 0:
		info.BytesSent = clamp(c.sent(), e.start, int(e.end-e.start))
	}
	t.split(&info, err == nil || t.taken > 0 && info.BytesSent == int(e.end-e.start))
	returned := false
	defer c.watchHook(&returned)
	c.watch.OnRequest(info)
	returned = true
}

// split divides the time of a request that has ended. What is yet to come then takes no time, and no step ends before the one before it. left is whether
// all of it has left.
func (t *timing) split(info *RequestInfo, left bool) {
	ended := t.ended
	switch {
	case ended > 0:
	case info.OneWay && info.Err == nil:
		ended = t.written
	default:
		ended = now()
	}
	answered := or64(t.answered, ended)
	written := t.written
	if written == 0 && left {
		written = t.taken // it ended before the writer could note it
	}
	written = min(or64(written, answered), answered)
	taken := min(or64(t.taken, written), written)
	info.Queue = time.Duration(taken - t.accepted)
	info.Write = time.Duration(written - taken)
	info.Wait = time.Duration(answered - written)
	info.Read = time.Duration(ended - answered)
	info.Total = time.Duration(ended - t.accepted)
}

// or64 is t, or otherwise where that has not come to be.
func or64(t, otherwise int64) int64 {
	if t == 0 {
		return otherwise
	}
	return t
}

// watchHook recovers the panic of a hook that did not return. Deferred.
func (c *Conn) watchHook(returned *bool) {
	if !*returned {
		c.fail(c.engine.hookPanicked(c.addr, recover()))
	}
}

// hookPanicked reports the panic of a hook.
func (e *Engine) hookPanicked(addr string, v any) *PanicError {
	if v == nil { // panic(nil) has a value since Go 1.21
		panic("loop: a hook has called runtime.Goexit (testing's FailNow does), which leaves its connection's writer or loop without a goroutine")
	}
	p := &PanicError{Value: v, Stack: debug.Stack()}
	e.report("recovered a panic in a hook", "addr", addr, "panic", p.Value, "stack", string(p.Stack))
	return p
}

// Guard runs f, a hook of who uses the engine. A panic in it is recovered, reported to Config.Logger and returned as a *PanicError.
func (e *Engine) Guard(addr string, f func()) (err error) {
	returned := false
	defer func() {
		if !returned {
			err = e.hookPanicked(addr, recover())
		}
	}()
	f()
	returned = true
	return nil
}
