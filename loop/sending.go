package loop

import (
	"sync"

	"kafkaio/frame"
)

// turnSendBytes is how many bytes of requests, or one request, a connection gets in when its turn has come: a write's worth.
const turnSendBytes = combineBytes

// sending is an engine's budget for bytes that wait to be sent, and the line of the connections whose next request does not fit.
//
// A request is let in while the sum of what is pending on all connections stays within the limit and no connection stands in line; where nothing at
// all is pending, any request is. One that is not let in waits on its connection, as if that were full, and the connection goes to the end of the line.
// The first in line is let in as soon as its request fits, however small the others' are: requests of turnSendBytes, or one, then it goes to the
// end again if it has more. So nobody is passed for ever, not even by many who ask for little.
type sending struct {
	budget

	// mu may be taken under Conn.mu; nothing is taken under it. It guards all below, and Conn.turn.
	mu         sync.Mutex
	head, tail *Conn
	length     int
	serving    bool // serve runs
	waits      uint64
}

// sendTurn is a connection's place in the line.
type sendTurn struct {
	prev, next *Conn
	need       int64 // what its first request asks for
	had        int64 // what it has got in this turn
	in         bool  // changed under Conn.mu as well
}

// standing reports whether the connection is in line. t may be nil: it never was.
func (t *sendTurn) standing() bool { return t != nil && t.in }

// frameBytes is what a request counts for.
func frameBytes(request []byte) int64 { return frame.SizeBytes + int64(len(request)) }

// take lets n bytes in, if they fit and nobody stands in line.
func (s *sending) take(n int64) bool {
	v := s.add(n)
	if v <= s.limit || v == n { // v == n: nothing else is pending
		s.note(v)
		return true
	}
	s.put(n)
	return false
}

// force lets n bytes in that must not wait.
func (s *sending) force(n int64) { s.note(s.add(n)) }

// put gives bytes back that were written, or given up.
func (s *sending) put(n int64) {
	if s.add(-n) >= lineBit {
		s.mu.Lock()
		s.serveLocked()
		s.mu.Unlock()
	}
}

// takeTurn lets in n bytes of a connection that may have to stand in line for them, with its mu held. False: it stands there.
func (s *sending) takeTurn(c *Conn, n int64) bool {
	if !c.turn.standing() && s.take(n) {
		return true
	}
	if c.turn == nil {
		c.turn = new(sendTurn)
	}
	t := c.turn
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.head == nil || s.head == c {
		v := s.add(n) & (lineBit - 1)
		if v <= s.limit || v == n {
			s.note(v)
			if t.in {
				t.had += n
				if t.had >= turnSendBytes && s.tail != c {
					s.unlinkLocked(c)
					s.linkLocked(c)
				}
			}
			return true
		}
		s.add(-n)
	}
	t.need = n
	if !t.in {
		s.waits++
		s.linkLocked(c)
		if s.length == 1 {
			s.word.Add(lineBit)
		}
	}
	s.serveLocked() // room that came before the line was seen
	return false
}

// leave takes a connection out of the line, with its mu held: none of its requests waits for the budget.
func (s *sending) leave(c *Conn) {
	if !c.turn.standing() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlinkLocked(c)
	if s.length == 0 {
		s.word.Add(-lineBit)
	}
	s.serveLocked()
}

// shrink tells that the first request of a connection that may stand in line is another one now, with its mu held.
func (s *sending) shrink(c *Conn) {
	switch e := c.waiting.head; {
	case !c.turn.standing():
	case e == nil:
		s.leave(c)
	default:
		s.mu.Lock()
		c.turn.need = frameBytes(e.request)
		s.serveLocked()
		s.mu.Unlock()
	}
}

func (s *sending) linkLocked(c *Conn) {
	t := c.turn
	t.prev, t.next, t.had, t.in = s.tail, nil, 0, true
	if s.tail == nil {
		s.head = c
	} else {
		s.tail.turn.next = c
	}
	s.tail = c
	s.length++
}

func (s *sending) unlinkLocked(c *Conn) {
	t := c.turn
	if t.prev == nil {
		s.head = t.next
	} else {
		t.prev.turn.next = t.next
	}
	if t.next == nil {
		s.tail = t.prev
	} else {
		t.next.turn.prev = t.prev
	}
	t.prev, t.next, t.in = nil, nil, false
	s.length--
}

// roomLocked reports whether the first in line can be let in.
func (s *sending) roomLocked() bool {
	held := s.held()
	return s.head != nil && (held == 0 || held+s.head.turn.need <= s.limit)
}

// serveLocked sees to it that the first in line is let in if it can be.
func (s *sending) serveLocked() {
	if !s.serving && s.roomLocked() {
		s.serving = true
		go s.serve()
	}
}

// serve lets in those who stand in line, as long as there is room.
//
// Started by who finds room: it holds another connection's mu, under which it must not take theirs. Ended by the lack of room or of a line, at
// the latest by the end of all connections; nobody waits for it.
func (s *sending) serve() {
	for {
		s.mu.Lock()
		if !s.roomLocked() {
			s.serving = false
			s.mu.Unlock()
			return
		}
		c := s.head
		s.mu.Unlock()
		c.letIn()
	}
}

// stats adds what the budget tells.
func (s *sending) stats(to *EngineStats) {
	s.mu.Lock()
	defer s.mu.Unlock()
	to.SendingBytes, to.MaxSendingBytes = s.held(), s.asConfigured()
	to.WaitingConns, to.SendingWaits = s.length, s.waits
}

// letIn takes the connection's turn at the engine's line.
func (c *Conn) letIn() {
	c.mu.Lock()
	c.promoteLocked()
	if c.head == nil || c.writing {
		c.mu.Unlock()
		return
	}
	c.writing = true
	c.mu.Unlock()
	// Not by serve, which a connection with many senders could keep for itself. Ends when nothing is pending; nobody waits for it.
	go c.flush()
}
