package loop

import (
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"kafkaio/syscalls"
)

// epollConn is one connection on a loop: the registration of its sink.
type epollConn struct {
	loop  *epollLoop
	sink  sink
	token uint64
	fd    int
	ends  endpoints
	poll  polling

	connecting chan struct{} // set before the slot is: told when connect's handshake is over; nil where it need not wait
	added      bool          // it is in the loop's table; owned by who dials
	lowWater   int32         // SO_RCVLOWAT as far as it was set; owned by the loop
	live       atomic.Bool   // registered: events are the sink's
	paused     atomic.Bool

	mu    sync.Mutex // guards the interest against the end of the descriptor
	ended bool
	asked bool // close has been posted
}

// read takes what has arrived and hands it on.
func (c *epollConn) read(l *epollLoop) {
	into, direct := c.sink.direct(), true
	if c.paused.Load() { // by direct
		return
	}
	if into == nil {
		into, direct = l.buf, false
	}
	for turn := 0; ; {
		into = into[:min(len(into), turnBytes-turn)]
		n, err := syscalls.Read(c.fd, into)
		switch {
		case err != nil:
			if !syscalls.IsRetry(err) {
				c.end(os.NewSyscallError("read", err))
			}
			return
		case n == 0:
			c.end(io.EOF)
			return
		}
		l.spin.served(c.poll.budget)
		more := n == len(into)
		if more {
			l.moderator.full()
		}
		if direct {
			if !c.sink.filled(n) {
				c.end(nil)
				return
			}
		} else if !c.sink.onData(into[:n]) {
			c.end(nil)
			return
		}
		// A socket that filled what it was given has more; large answers go on into their own memory, within the turn.
		turn += n
		into = c.sink.direct()
		c.await(len(into))
		if into == nil || !more || turn >= turnBytes || c.paused.Load() {
			return
		}
		direct = true
	}
}

const (
	// minLowWater is how much a large answer must lack for the loop to ask not to be woken for less, and maxLowWater the most that it waits for.
	minLowWater = 64 << 10
	maxLowWater = 1 << 20
)

// await tells the kernel how many bytes are worth an event: 1, or a good part of what a large answer lacks.
func (c *epollConn) await(lacks int) {
	want := int32(1)
	if lacks >= minLowWater {
		want = int32(min(lacks, maxLowWater))
	}
	if want != max(c.lowWater, 1) {
		c.lowWater = want
		_ = syscalls.SetReadLowWater(c.fd, int(want))
	}
}

// end closes the connection. On the loop.
func (c *epollConn) end(err error) {
	c.mu.Lock()
	if c.ended {
		c.mu.Unlock()
		return
	}
	c.ended = true
	c.mu.Unlock()
	c.loop.slots.remove(c.token)
	c.sink.onClose(err)
	// A stalled writer's duplicate would keep a closed descriptor registered for ever.
	_ = syscalls.EpollDel(c.loop.epfd, c.fd)
	_ = syscalls.Close(c.fd)
	c.loop.driver.bridges.end(c)
}

// close implements registration.
func (c *epollConn) close() {
	c.mu.Lock()
	again := c.asked || c.ended
	c.asked = true
	c.mu.Unlock()
	if !again {
		c.loop.post(func() { c.end(nil) })
	}
}

// handOver implements registration.
func (c *epollConn) handOver(s sink) { c.sink = s }

// post implements registration.
func (c *epollConn) post(f func()) { c.loop.post(f) }

// polling implements registration.
func (c *epollConn) polling(budget time.Duration) *polling {
	c.poll = polling{loop: c.loop, budget: budget}
	return &c.poll
}

// pause implements registration: no interest. What the kernel reports unasked, it reports once; resume asks anew.
func (c *epollConn) pause() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.paused.Store(true)
	if syscalls.EpollMod(c.loop.epfd, c.fd, syscalls.EpollOneShot, c.token) != nil {
		c.paused.Store(false)
		return false
	}
	return true
}

// resume implements registration.
func (c *epollConn) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || !c.paused.Load() {
		return
	}
	c.paused.Store(false)
	_ = syscalls.EpollMod(c.loop.epfd, c.fd, readInterest, c.token)
}

const readInterest = syscalls.EpollIn | syscalls.EpollRDHup
