package responder

import (
	"sync"
	"time"
)

const (
	// sleepOver is the wait from which on the first part of it is slept;
	// wakeEarly is how long before the end. A sleeping thread comes back, and
	// wakes the loop, some 200 µs late (50 µs of it the kernel's timer
	// slack) on a 2-core virtual machine; doubled.
	sleepOver = time.Millisecond
	wakeEarly = 500 * time.Microsecond

	// napMax is the longest uninterruptible sleep, and so how long Close
	// may wait for a sleeper.
	napMax = 20 * time.Millisecond

	// keepBytes is the largest buffer that is used again.
	keepBytes = 64 << 10
)

// held are the answers of one read, waiting.
type held struct {
	due time.Time
	c   *conn
	b   []byte
}

// clock holds the answers of one loop back. The delay is the same for all, so
// the queue is in order of time. While it is not empty either a byte is on
// its way to the loop's end of the socket pair, which makes the loop call
// [loop.tick], or the sleeper will send one: that is armed.
//
// All but sleep runs on the loop goroutine.
type clock struct {
	// immutable after construction
	delay time.Duration
	bell  bell
	wake  chan time.Time // to the sleeper; capacity 1, used only when not armed
	stop  chan struct{}
	done  sync.WaitGroup

	// owned by the loop goroutine
	queue []held
	first int // of queue that is still to be sent
	free  [][]byte
	armed bool
}

// newClock starts the clock of a loop. Whoever closes the responder calls
// close after the loop has ended.
func newClock(delay time.Duration, b bell) *clock {
	k := &clock{delay: delay, bell: b, wake: make(chan time.Time, 1), stop: make(chan struct{})}
	k.done.Add(1)
	go k.sleep()
	return k
}

// hold takes b until it is due and returns an empty buffer in its place.
func (k *clock) hold(c *conn, b []byte) []byte {
	k.queue = append(k.queue, held{due: time.Now().Add(k.delay), c: c, b: b})
	if !k.armed {
		k.rearm()
	}
	if n := len(k.free); n > 0 {
		b, k.free = k.free[n-1], k.free[:n-1]
		return b
	}
	return nil
}

// next takes out the first answers in the queue if their time has come.
func (k *clock) next(now time.Time) (*conn, []byte, bool) {
	if k.first == len(k.queue) || k.queue[k.first].due.After(now) {
		return nil, nil, false
	}
	h := k.queue[k.first]
	k.queue[k.first] = held{}
	k.first++
	if k.first == len(k.queue) {
		k.queue, k.first = k.queue[:0], 0
	} else if k.first >= 1024 && k.first > len(k.queue)/2 {
		n := copy(k.queue, k.queue[k.first:])
		clear(k.queue[n:])
		k.queue, k.first = k.queue[:n], 0
	}
	return h.c, h.b, true
}

// recycle takes back a buffer that hold took.
func (k *clock) recycle(b []byte) {
	if cap(b) <= keepBytes && len(k.free) < 1024 {
		k.free = append(k.free, b[:0])
	}
}

// rearm makes sure that tick is called for the first in the queue.
func (k *clock) rearm() {
	k.armed = k.first < len(k.queue)
	if !k.armed {
		return
	}
	if due := k.queue[k.first].due; time.Until(due) > sleepOver {
		k.wake <- due
	} else {
		k.bell.ring()
	}
}

// sleep is the sleeper: newClock starts it, close ends it and waits for it.
// It rings the bell a little before the moment that it is given.
func (k *clock) sleep() {
	defer k.done.Done()
	for {
		select {
		case <-k.stop:
			return
		case due := <-k.wake:
			if left := time.Until(due) - wakeEarly; left > napMax {
				select {
				case <-k.stop:
					return
				case <-time.After(left - napMax/2):
				}
			}
			nap(time.Until(due) - wakeEarly)
			k.bell.ring()
		}
	}
}

// close ends the sleeper, then the bell.
func (k *clock) close() {
	close(k.stop)
	k.done.Wait()
	k.bell.close()
}
