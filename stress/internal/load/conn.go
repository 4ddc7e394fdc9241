package load

import (
	"sync/atomic"
	"time"

	"kafkaio/frame"
	"kafkaio/kio"
	"kafkaio/stress/internal/workload"
)

// conn is one connection and its slots.
type conn struct {
	// Immutable after Open.
	broker *kio.Broker
	target int // index of the broker in Config.Brokers
	shard  *shard
	slots  []slot

	begun bool // all slots have begun; owned by the loop after the first Submit

	died atomic.Bool
}

// slot has one request in flight. It belongs to who has submitted its request, until Submit; then to the end of that request, on the loop.
type slot struct {
	// Immutable after Open.
	g     *Generator
	conn  *conn
	ended func(response []byte, err error) // onEnd, bound once so that a request costs no allocation

	// Owned as described above; read by Close after all has ended.
	picker    workload.Picker
	request   *workload.Request
	began     time.Time
	waiting   bool // the end of request is due
	sent      [workload.NumAPIs]uint64
	sentBytes [workload.NumAPIs]uint64
}

func (c *conn) addSlots(g *Generator, index int) {
	c.slots = make([]slot, g.cfg.InFlight)
	for i := range c.slots {
		s := &c.slots[i]
		s.g, s.conn, s.ended = g, c, s.onEnd
		stream := uint64(index)*uint64(g.cfg.InFlight) + uint64(i)
		s.picker = g.cfg.Brokers[c.target].Requests.Picker(g.cfg.Seed, stream)
	}
}

// begin sends the first request of the connection. The other slots begin with the answer to that one, on the loop, where their requests leave in
// one write: submitted one by one from elsewhere, each would wait for its turn behind the answers to those before.
func (c *conn) begin(now time.Time) {
	c.slots[0].g.inFlight.Add(1)
	c.slots[0].next(now)
}

// beginOthers begins the slots besides the first.
func (c *conn) beginOthers(now time.Time) {
	c.begun = true
	others := c.slots[1:]
	for i := range others {
		others[i].g.inFlight.Add(1)
		others[i].next(now)
	}
}

// onEnd takes the end of the slot's request and begins the next one.
func (s *slot) onEnd(response []byte, err error) {
	now := time.Now()
	if !s.waiting {
		s.g.surplus.Add(1)
		return
	}
	s.waiting = false
	if err == nil {
		err = s.request.Check(response)
	}
	if err == nil {
		s.conn.shard.success(s.conn.target, s.request.API, now.Sub(s.began), wireBytes(response))
	} else if alive := s.fail(err, wireBytes(response)); !alive {
		s.retire()
		return
	}
	if !s.conn.begun {
		s.conn.beginOthers(now)
	}
	s.next(now)
}

// retire counts the slot out, and with the first one those that wait for it to begin.
func (s *slot) retire() {
	slots := 1
	if !s.conn.begun {
		s.conn.begun = true
		slots = len(s.conn.slots)
	}
	s.g.inFlight.Add(-1)
	s.g.retire(slots)
}

// next sends the slot's next request, or retires the slot where sending is over.
func (s *slot) next(now time.Time) {
	if s.g.stopping.Load() {
		s.retire()
		return
	}
	r := s.picker.Next()
	s.request, s.began, s.waiting = r, now, true
	s.sent[r.API]++
	s.sentBytes[r.API] += wireBytes(r.Bytes)
	if err := s.conn.broker.Submit(r.Bytes, now.Add(s.g.cfg.Timeout), s.ended); err != nil {
		s.waiting = false
		if alive := s.fail(err, 0); !alive {
			s.retire()
			return
		}
		// Refused by a living connection: what is in its way needs time to go.
		time.AfterFunc(refusalPause, s.resume)
	}
	// Here the slot may already belong to the end of its request.
}

func (s *slot) resume() { s.next(time.Now()) }

// fail records a failure, with the bytes of the answer if there was one, and reports whether the connection lives on.
func (s *slot) fail(err error, bytes uint64) (alive bool) {
	class := Classify(err)
	over := s.conn.broker.Err()
	if over != nil && class == ClassOther { // the connection may know better
		class = classifyEnd(over)
	}
	switch {
	case over == nil:
		s.conn.shard.failure(s.conn.target, s.request.API, class, bytes)
	case s.g.cut.Load() && class == ClassClosed:
		s.conn.shard.unanswered(s.conn.target, s.request.API)
	default:
		s.conn.shard.failure(s.conn.target, s.request.API, class, bytes)
		if s.conn.died.CompareAndSwap(false, true) {
			s.g.died.Add(1)
		}
	}
	return over == nil
}

// wireBytes is the size of a request or an answer with its prefix; 0 where there is none.
func wireBytes(message []byte) uint64 {
	if message == nil {
		return 0
	}
	return frame.SizeBytes + uint64(len(message))
}
