//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"context"
	"net"
	"os"
	"sync"
	"syscall"

	"github.com/panjf2000/gnet/v2"

	"kafkaio/syscalls"
)

// gnet always reads what arrives, and cannot be told to stop. A connection that pauses therefore leaves gnet: it goes on under a duplicate of
// its descriptor, which nobody reads, so that TCP holds the peer back; to resume, that descriptor is enrolled anew. It is dear, about 30 µs a
// pause, and rare.

// parkingLot holds the paused connections of a driver.
type parkingLot struct {
	gate    sync.RWMutex // held for reading while a connection is enrolled anew, for writing by stop
	stopped bool         // guarded by gate

	mu    sync.Mutex // guards conns
	conns map[*gnetConn]struct{}

	ends sync.WaitGroup // of runTasks
}

// pause implements registration.
func (c *gnetConn) pause() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.state != gnetLive {
		return c.state == gnetMoving
	}
	fd, err := syscalls.Dup(c.conn.Fd())
	if err != nil {
		return false // no descriptor left: reading on is the lesser evil
	}
	c.fd = fd
	c.state = gnetMoving
	return true
}

// park takes a connection that gnet lets go of, with c.mu held. False when the driver stops: the connection is then over.
func (d *gnetDriver) park(c *gnetConn) bool {
	p := &d.parked
	if !p.gate.TryRLock() {
		return false // only stop holds the gate for writing
	}
	defer p.gate.RUnlock()
	if p.stopped {
		return false
	}
	c.conn = nil
	c.state = gnetParked
	c.sink.onMoved(c.fd)
	p.mu.Lock()
	if p.conns == nil {
		p.conns = make(map[*gnetConn]struct{})
	}
	p.conns[c] = struct{}{}
	p.mu.Unlock()
	c.startTasksLocked()
	if c.wantResume && !c.running {
		c.wantResume = false
		go c.resume() // ends when the connection is enrolled; stop waits for it at the gate
	}
	return true
}

// postParked is post while no loop has the connection: f runs on a goroutine that stands in for the loop, or on the loop that has it next.
func (c *gnetConn) postParked(f func()) {
	p := &c.driver.parked
	if !p.gate.TryRLock() {
		return // only stop holds the gate for writing
	}
	defer p.gate.RUnlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch c.state {
	case gnetLive: // again
		gc := c.conn
		_ = gc.EventLoop().Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
			f()
			return nil
		}))
	case gnetParked:
		if !p.stopped {
			c.tasks = append(c.tasks, f)
			c.startTasksLocked()
		}
	case gnetEnrolling, gnetMoving:
		c.tasks = append(c.tasks, f) // for OnOpen, or for park
	case gnetOver:
	}
}

// startTasksLocked sees to it that tasks are run, where there are any.
func (c *gnetConn) startTasksLocked() {
	if len(c.tasks) > 0 && !c.running {
		c.running = true
		c.driver.parked.ends.Add(1)
		go c.runTasks()
	}
}

// runTasks stands in for the loop of a connection that no loop has: meanwhile it is not resumed, and who waits for loops does not wait on it.
//
// Started by startTasksLocked; ended by the lack of tasks; stop waits for it.
func (c *gnetConn) runTasks() {
	d := c.driver
	d.loops.addCaller()
	defer d.parked.ends.Done()
	defer d.loops.removeCaller()
	for {
		c.mu.Lock()
		if len(c.tasks) == 0 {
			c.running = false
			if c.wantResume && c.state == gnetParked {
				c.wantResume = false
				go c.resume() // ends when the connection is enrolled; stop waits for it at the gate
			}
			c.mu.Unlock()
			return
		}
		f := c.tasks[0]
		c.tasks = c.tasks[1:]
		c.mu.Unlock()
		f()
	}
}

func (p *parkingLot) forget(c *gnetConn) {
	p.mu.Lock()
	delete(p.conns, c)
	p.mu.Unlock()
}

// resume implements registration.
func (c *gnetConn) resume() {
	p := &c.driver.parked
	p.gate.RLock()
	defer p.gate.RUnlock()
	c.mu.Lock()
	switch {
	case c.state == gnetMoving || c.state == gnetParked && c.running:
		c.wantResume = true
	case c.state == gnetParked && !p.stopped:
		c.state = gnetEnrolling
		fd := c.fd
		c.mu.Unlock()
		p.forget(c)
		if err := c.driver.enrollAgain(c, fd); err != nil {
			c.mu.Lock()
			c.overLocked(err)
		}
		return
	}
	c.mu.Unlock()
}

// enrollAgain registers the descriptor of a paused connection. OnOpen closes the old number when the sink uses the new one.
func (d *gnetDriver) enrollAgain(c *gnetConn, fd int) error {
	c.mu.Lock()
	opens := c.opens
	c.mu.Unlock()
	dup, err := syscalls.Dup(fd)
	if err != nil {
		return err
	}
	f := os.NewFile(uintptr(dup), "resumed")
	nc, err := net.FileConn(f)
	_ = f.Close()
	if err != nil {
		return err
	}
	if nc.RemoteAddr() == nil { // reset while it was paused: the kernel knows no peer any more, and gnet would not survive that
		_ = nc.Close()
		return syscall.ECONNRESET
	}
	if err := d.enroll(nc, c); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opens == opens { // not its state: it may be paused again by now, and on its way back
		return ErrNotRegistered
	}
	return nil
}

// overLocked ends a connection that no loop has, and unlocks c.mu. Its sink is told by runTasks, as the caller may hold locks of the sink.
func (c *gnetConn) overLocked(cause error) {
	c.state = gnetOver
	fd := c.fd
	c.fd = -1
	c.tasks = append(c.tasks, func() {
		c.sink.onClose(cause)
		_ = syscalls.Close(fd)
		c.driver.bridges.end(c)
	})
	c.startTasksLocked()
	c.mu.Unlock()
	c.driver.parked.forget(c)
}

// closeParked ends all paused connections for good, before gnet stops.
func (d *gnetDriver) closeParked() {
	p := &d.parked
	p.gate.Lock()
	p.stopped = true
	p.gate.Unlock()
	p.mu.Lock()
	parked := make([]*gnetConn, 0, len(p.conns))
	for c := range p.conns {
		parked = append(parked, c)
	}
	p.mu.Unlock()
	for _, c := range parked {
		c.close()
	}
	p.ends.Wait()
}
