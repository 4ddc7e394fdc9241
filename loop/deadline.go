package loop

import "time"

// armLocked sees to it that the timer fires no later than deadline. One timer serves the connection, and it is never disarmed: with like
// timeouts, each request finds it armed for an earlier one, so that arming and cancelling a deadline is a comparison. When it fires and nothing
// is due any more, it is let go of.
func (c *Conn) armLocked(deadline int64) {
	if deadline >= c.timerAt {
		return
	}
	c.timerAt = deadline
	d := time.Duration(max(deadline, 0) - now())
	if c.timer == nil {
		c.timer = time.AfterFunc(d, c.onTimer)
		return
	}
	c.timer.Reset(d)
}

// onTimer ends what has passed its deadline and arms the timer for the next one.
//
// Run by the runtime on a goroutine of its own when the timer fires, so that callers get their deadline also while a callback holds up the
// loop; nobody waits for it, and after onClose it finds nothing.
func (c *Conn) onTimer() {
	var ends entryList
	ask := false
	c.mu.Lock()
	if c.state == stateClosed {
		c.mu.Unlock()
		return
	}
	c.timerAt = never
	t := now()
	next := int64(never)
	excused := c.blameless(c.limits.MaxAbandonedAge)
	for _, l := range [...]*entryList{&c.inFlight, &c.oneWay, &c.waiting} {
		for e := l.head; e != nil; {
			following := e.next
			switch {
			case e.deadline > t:
				next = min(next, e.deadline)
			case e.state == entryTombstone && excused > t:
				e.deadline = excused
				next = min(next, excused)
			case e.state == entryTombstone:
				ask = c.failLocked(ErrUnanswered) || ask
			default:
				ask = c.abandonLocked(e, errTimeout) || ask
				if e.done == nil {
					ends.pushBack(e)
				} else {
					c.expired.pushBack(e)
				}
			}
			e = following
		}
	}
	if next == never {
		c.timer = nil // a connection that stays idle need not keep it
	}
	c.armLocked(next)
	post := c.expired.n > 0
	c.checkDrainedLocked()
	c.mu.Unlock()

	c.endAll(&ends)
	if post {
		c.reg.post(c.endExpired)
	}
	if ask {
		c.reg.close()
	}
}

// endExpired runs the callbacks of requests that passed their deadline. On the loop.
func (c *Conn) endExpired() {
	var ends entryList
	c.mu.Lock()
	for e := c.expired.head; e != nil; e = c.expired.head {
		c.expired.remove(e)
		ends.pushBack(e)
	}
	c.mu.Unlock()
	c.endAll(&ends)
}
