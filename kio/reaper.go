package kio

import (
	"time"
)

// reapTicks is how often within Config.Cluster.IdleTimeout connections are looked at.
const reapTicks = 4

// watchIdle sees to it that connections are looked at for as long as there are any.
func (c *Cluster) watchIdle() {
	every := c.cfg.Cluster.IdleTimeout / reapTicks
	if every <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaper == nil && c.isOpen() {
		c.reaper = time.AfterFunc(every, func() { c.work.start(c.reap) })
	}
}

// reap closes the connections that have been unused for too long. A task that the timer starts; Close waits for it.
func (c *Cluster) reap() {
	now := time.Now()
	c.mu.Lock()
	c.reaper = nil // from here on who connects sets the timer: the look below may have passed it by
	endpoints := make([]*endpoint, 0, len(c.endpoints))
	for _, p := range c.endpoints {
		endpoints = append(endpoints, p)
	}
	c.mu.Unlock()
	left := 0
	var idle []*link
	for _, p := range endpoints {
		links, open := p.reap(now, c.cfg.Cluster.IdleTimeout)
		idle = append(idle, links...)
		left += open
	}
	if left > 0 {
		c.watchIdle()
	}
	c.reaped.Add(uint64(len(idle)))
	inParallel(len(idle), func(i int) { _ = idle[i].broker.Close() }) // here: Close takes no tasks any more, and does not know them
}

// reap takes out the connections that nothing has used for so long, but for those that are held open, and counts the others.
func (p *endpoint) reap(now time.Time, timeout time.Duration) (idle []*link, open int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	kept := 0
	for i := 0; i < len(p.links); {
		l := p.links[i]
		held := l.class == ClassShort && kept < p.hold
		if held {
			kept++
		}
		used := l.used(now)
		if held || used || now.Sub(l.idleSince) < timeout-timeout/reapTicks {
			i++
			continue
		}
		removeLink(&p.links, l)
		p.leaving = append(p.leaving, l)
		idle = append(idle, l)
	}
	if len(idle) > 0 {
		p.pumpLocked() // there is room
	}
	return idle, len(p.links)
}

// used reports whether a connection is in use, or has been since the last look.
func (l *link) used(now time.Time) bool {
	requests := l.broker.conn.Stats().Requests
	if l.idleSince.IsZero() || l.active.Load() > 0 || !l.broker.isIdle() || requests != l.lastRequests {
		l.lastRequests, l.idleSince = requests, now
		return true
	}
	return false
}
