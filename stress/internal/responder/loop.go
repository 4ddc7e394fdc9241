package responder

import (
	"encoding/binary"
	"sync/atomic"
	"time"

	"github.com/panjf2000/gnet/v2"
)

const (
	// flushBytes of collected answers are written without waiting for the
	// end of the read: guessed, far above what small answers add up to.
	flushBytes = 256 << 10

	// directBytes and more of an answer are written from the table and
	// not copied first.
	directBytes = 32 << 10

	// maxBacklogBytes may wait for a client that does not read.
	maxBacklogBytes = 64 << 20
)

// loop is what one event loop's goroutine owns.
type loop struct {
	// immutable after construction
	table           *table
	maxRequestBytes int
	drop            int
	clock           *clock // nil without Delay

	// owned by the loop goroutine
	out         []byte // answers to the requests of the current read
	sinceDrop   int
	tallyTotals tally

	// atomic, written by the loop goroutine at least once a read
	published struct {
		requests, answers, dropped, bytesIn, bytesOut atomic.Uint64
	}
}

// tally counts on the loop goroutine.
type tally struct {
	requests, answers, dropped, bytesIn, bytesOut uint64
}

// publish makes the counts visible to Stats. It comes before the bytes that are counted leave: who has an answer finds it counted.
func (l *loop) publish() {
	t, p := &l.tallyTotals, &l.published
	p.requests.Store(t.requests)
	p.answers.Store(t.answers)
	p.dropped.Store(t.dropped)
	p.bytesIn.Store(t.bytesIn)
	p.bytesOut.Store(t.bytesOut)
}

// answer adds the answer of a complete request to what this read sends.
func (l *loop) answer(c *conn, req request) {
	l.tallyTotals.requests++
	if req.answer == nil {
		return
	}
	if req.withheld {
		l.tallyTotals.dropped++
		return
	}
	if l.drop > 0 {
		if l.sinceDrop++; l.sinceDrop == l.drop {
			l.sinceDrop = 0
			l.tallyTotals.dropped++
			return
		}
	}
	l.tallyTotals.answers++
	if len(req.answer) >= directBytes && l.clock == nil {
		l.flush(c)
		binary.BigEndian.PutUint32(req.answer[4:], req.id)
		l.send(c, req.answer)
		return
	}
	at := len(l.out)
	l.out = append(l.out, req.answer...)
	binary.BigEndian.PutUint32(l.out[at+4:], req.id)
	if len(l.out) >= flushBytes {
		l.flush(c)
	}
}

// flush sends the collected answers, or puts them by until they are due.
func (l *loop) flush(c *conn) {
	if len(l.out) == 0 {
		return
	}
	if l.clock != nil {
		l.out = l.clock.hold(c, l.out)
		return
	}
	l.send(c, l.out)
	l.out = l.out[:0]
}

// send writes b to the client: at once as far as the socket takes it, the
// rest when it can. b is borrowed. A client that is gone, or does not read,
// is disconnected.
func (l *loop) send(c *conn, b []byte) {
	if c.closed {
		return
	}
	l.tallyTotals.bytesOut += uint64(len(b))
	l.publish()
	if c.gnet.OutboundBuffered() == 0 {
		n, gone := writeNow(c.gnet, b)
		if gone {
			l.disconnect(c)
			return
		}
		if b = b[n:]; len(b) == 0 {
			return
		}
	}
	if c.gnet.OutboundBuffered()+len(b) > maxBacklogBytes {
		l.disconnect(c)
		return
	}
	// A failing Write has already closed the connection and run OnClose,
	// which marked c.
	_, _ = c.gnet.Write(b)
}

// disconnect closes a client's connection now.
func (l *loop) disconnect(c *conn) {
	if !c.closed {
		_ = c.gnet.EventLoop().Close(c.gnet)
	}
}

// tick sends the answers whose time has come. It is what the clock's
// connection does when it is readable.
func (l *loop) tick() gnet.Action {
	for {
		c, b, ok := l.clock.next(time.Now())
		if !ok {
			break
		}
		l.send(c, b)
		l.clock.recycle(b)
	}
	l.clock.rearm()
	l.publish()
	return gnet.None
}
