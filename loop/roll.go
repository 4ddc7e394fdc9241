package loop

import "sync"

// roll is the list of an engine's connections, and the sums of those that have ended.
type roll struct {
	mu    sync.Mutex // taken before Conn.mu; guards all below, and of each Conn what it says
	first *Conn
	ended Totals
}

// rolled is a connection's place in its engine's roll.
type rolled struct{ prev, next *Conn }

// rollState is where a connection stands: Dial enters it, and its loop strikes it off, in whatever order.
type rollState uint8

const (
	rollNew rollState = iota
	rollListed
	rollStruck
)

// enter lists a connection, unless it has ended meanwhile.
func (r *roll) enter(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.rollState != rollNew {
		return
	}
	c.rollState = rollListed
	c.rolled.next = r.first
	if r.first != nil {
		r.first.rolled.prev = c
	}
	r.first = c
}

// strike takes a connection that has ended off the list, and keeps its counts.
func (r *roll) strike(c *Conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := &c.rolled; c.rollState == rollListed {
		if p.prev == nil {
			r.first = p.next
		} else {
			p.prev.rolled.next = p.next
		}
		if p.next != nil {
			p.next.rolled.prev = p.prev
		}
		p.prev, p.next = nil, nil
	}
	c.rollState = rollStruck
	s := c.snapshot()
	r.ended.Add(&s)
}

// totals sums up all connections, those that have ended included.
func (r *roll) totals() Totals {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := r.ended
	for c := r.first; c != nil; c = c.rolled.next {
		s := c.snapshot()
		t.Add(&s)
	}
	return t
}
