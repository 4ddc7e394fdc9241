package loop

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"kafkaio/syscalls"
)

const (
	// readBytes is the size of a loop's read buffer: what one raw read takes at most, so that small answers never cost an ordinary system call.
	readBytes = syscalls.RawMax
	// turnEvents is how many ready connections one turn serves before posted functions have theirs.
	turnEvents = 256
	// turnTasks is how many posted functions one turn runs before ready connections have theirs.
	turnTasks = 256
)

// epollDriver runs connections on epoll loops of our own (Linux): no duplicate descriptors, no poller but ours, raw system calls where they cannot
// sleep, pauses by interest, and busy polling.
type epollDriver struct {
	loops []*epollLoop
	next  atomic.Uint32
	ids   loopSet
	wg    sync.WaitGroup

	// gate is held for reading by who uses a loop's epoll descriptor from outside, for writing by stop.
	gate    sync.RWMutex
	stopped chan struct{}
}

func startEpoll(loops int) (driver, error) {
	d := &epollDriver{stopped: make(chan struct{})}
	for range loops {
		l, err := newEpollLoop(d)
		if err != nil {
			for _, l := range d.loops {
				l.release()
			}
			return nil, err
		}
		d.loops = append(d.loops, l)
	}
	var ready sync.WaitGroup
	for _, l := range d.loops {
		ready.Add(1)
		d.wg.Add(1)
		go l.run(&ready)
	}
	ready.Wait()
	return d, nil
}

// pollStats implements driver.
func (d *epollDriver) pollStats() (polled, wasted time.Duration) {
	for _, l := range d.loops {
		polled += time.Duration(l.spin.polled.Load())
		wasted += time.Duration(l.spin.wasted.Load())
	}
	return polled, wasted
}

// pick spreads connections over the loops by turns.
func (d *epollDriver) pick() *epollLoop {
	return d.loops[int(d.next.Add(1)-1)%len(d.loops)]
}

func (d *epollDriver) onLoop() bool { return d.ids.containsCaller() }

// stop implements driver.
func (d *epollDriver) stop() {
	d.gate.Lock()
	close(d.stopped)
	d.gate.Unlock()
	for _, l := range d.loops {
		l.stopping.Store(true)
		l.wake()
	}
	d.wg.Wait()
	for _, l := range d.loops {
		l.release()
	}
}

// enter takes the gate, or reports that the driver has stopped.
func (d *epollDriver) enter() error {
	d.gate.RLock()
	select {
	case <-d.stopped:
		d.gate.RUnlock()
		return ErrStopped
	default:
		return nil
	}
}

// epollLoop is one event loop. Its goroutine owns all that has no other word.
type epollLoop struct {
	// Immutable.
	driver *epollDriver
	epfd   int
	wakefd int
	sleep  sleeper

	slots slotTable // safe for concurrent use

	events [turnEvents]syscalls.EpollEvent
	buf    []byte
	spin   spinner

	stopping atomic.Bool
	sleeping atomic.Bool // the loop is, or is about to be, asleep: who posts has to wake it

	wakes   atomic.Int64 // system calls that woke it
	waiting atomic.Bool  // posted is not empty

	mu     sync.Mutex
	posted []func() // guarded by mu
	spare  []func() // the slice that posted was, to be it again
}

func newEpollLoop(d *epollDriver) (*epollLoop, error) {
	epfd, err := syscalls.EpollCreate()
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakefd, err := syscalls.Eventfd()
	if err == nil {
		err = syscalls.EpollAdd(epfd, wakefd, syscalls.EpollIn, wakeToken)
		if err != nil {
			_ = syscalls.Close(wakefd)
		}
	}
	if err != nil {
		_ = syscalls.Close(epfd)
		return nil, os.NewSyscallError("eventfd", err)
	}
	l := &epollLoop{driver: d, epfd: epfd, wakefd: wakefd, buf: make([]byte, readBytes)}
	l.spin.start(now())
	if err := l.sleep.init(epfd); err != nil {
		_ = syscalls.Close(wakefd)
		_ = syscalls.Close(epfd)
		return nil, err
	}
	return l, nil
}

// release gives the descriptors back.
func (l *epollLoop) release() {
	_ = syscalls.Close(l.wakefd)
	l.sleep.close()
}

// run is the loop. Started by startEpoll, ended by stop, which waits for it.
func (l *epollLoop) run(ready *sync.WaitGroup) {
	defer l.driver.wg.Done()
	l.driver.ids.addCaller()
	defer l.driver.ids.removeCaller()
	ready.Done()
	for !l.stopping.Load() {
		n := l.wait()
		for i := range n {
			l.handle(&l.events[i])
		}
		l.runPosted()
	}
	l.slots.each(func(c *epollConn) {
		if c.live.Load() { // the others are closed by those who dial them
			c.end(nil)
		}
	})
	for l.runPosted() {
	}
}

// wait gives the events of the next turn. It returns 0 when a function was posted.
func (l *epollLoop) wait() int {
	n, err := syscalls.EpollPoll(l.epfd, l.events[:])
	if n > 0 {
		l.ready()
		return n
	}
	if err != nil {
		panic(fmt.Sprintf("loop: epoll_wait: %v", err)) // the descriptor is ours: only a bug closes it
	}
	// Those whom the last turn has answered run now, on this very P, and write their next requests: what these bring may be there soon.
	runtime.Gosched()
	for l.spin.again(now()) {
		if n, _ = syscalls.EpollPoll(l.epfd, l.events[:]); n > 0 {
			l.ready()
			return n
		}
		if l.waiting.Load() {
			l.spin.interrupted()
			return 0
		}
		runtime.Gosched()
	}
	l.sleeping.Store(true)
	if l.waiting.Load() || l.stopping.Load() {
		l.sleeping.Store(false)
		l.spin.interrupted()
		return 0
	}
	n = l.sleep.wait(l.events[:])
	l.sleeping.Store(false)
	if n == 1 && syscalls.Token(&l.events[0]) == wakeToken {
		l.spin.interrupted()
	} else {
		l.ready()
	}
	return n
}

// ready tells the spinner of events; a loop that is never idle reads no clock.
func (l *epollLoop) ready() {
	if l.spin.waiting {
		l.spin.event(now())
	}
}

// wakeToken is the token of the loop's eventfd; no slot has it.
const wakeToken = ^uint64(0)

// handle serves one ready descriptor.
func (l *epollLoop) handle(ev *syscalls.EpollEvent) {
	token := syscalls.Token(ev)
	if token == wakeToken {
		_ = syscalls.EventfdDrain(l.wakefd)
		return
	}
	c := l.slots.get(token)
	if c == nil {
		return // closed earlier in this turn
	}
	if !c.live.Load() {
		select {
		case c.connecting <- struct{}{}: // of capacity 1, or nil where nobody waits
		default:
		}
		return
	}
	if c.paused.Load() {
		if ev.Events&(syscalls.EpollErr|syscalls.EpollHup) != 0 {
			c.end(os.NewSyscallError("read", or(syscalls.SocketError(c.fd), syscall.ECONNRESET)))
		}
		return
	}
	c.read(l)
}

func or(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// post queues f. Any goroutine.
func (l *epollLoop) post(f func()) {
	l.mu.Lock()
	l.posted = append(l.posted, f)
	l.waiting.Store(true)
	l.mu.Unlock()
	l.wake()
}

// wake ends the loop's sleep, if it sleeps: one system call for however many who call.
func (l *epollLoop) wake() {
	if l.sleeping.CompareAndSwap(true, false) {
		l.wakes.Add(1)
		_ = syscalls.EventfdSignal(l.wakefd)
	}
}

// runPosted runs what was posted before, up to turnTasks, and reports whether anything was.
func (l *epollLoop) runPosted() bool {
	if !l.waiting.Load() {
		return false
	}
	l.mu.Lock()
	tasks := l.posted
	if len(tasks) > turnTasks {
		tasks = append(l.spare[:0], l.posted[:turnTasks]...)
		l.posted = append(l.posted[:0], l.posted[turnTasks:]...)
		l.spare = nil
	} else {
		l.posted, l.spare = l.spare[:0], nil
		l.waiting.Store(false)
	}
	l.mu.Unlock()
	for i, f := range tasks {
		tasks[i] = nil
		f()
	}
	if cap(tasks) <= turnTasks {
		l.spare = tasks[:0] // only the loop touches spare
	}
	return true
}

// hot implements pollingLoop.
func (l *epollLoop) hot(delta int64) { l.spin.inFlight.Add(delta) }

// expect implements pollingLoop.
func (l *epollLoop) expect(budget time.Duration) {
	if l.sleeping.Load() {
		l.spin.wanted.Store(int64(budget))
		l.wake()
	}
}

// epollConn is one connection on a loop: the registration of its sink.
type epollConn struct {
	loop  *epollLoop
	sink  sink
	token uint64
	fd    int
	ends  endpoints
	poll  polling

	connecting chan struct{} // set before the slot is: told when connect's handshake is over; nil where it need not wait
	live       atomic.Bool   // registered: events are the sink's
	paused     atomic.Bool

	mu    sync.Mutex // guards the interest against the end of the descriptor
	ended bool
	asked bool // close has been posted
}

// read takes what has arrived and hands it on.
func (c *epollConn) read(l *epollLoop) {
	into, direct := c.sink.direct(), true
	if into == nil {
		into, direct = l.buf, false
	}
	for turn := 0; ; {
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
		if turn += n; !more || turn >= turnBytes || c.paused.Load() {
			return
		}
		if into = c.sink.direct(); into == nil {
			return
		}
		direct = true
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

// post implements registration.
func (c *epollConn) post(f func()) { c.loop.post(f) }

// polling implements registration.
func (c *epollConn) polling(budget time.Duration) *polling {
	c.poll = polling{loop: c.loop, budget: budget}
	if budget < 0 {
		return nil
	}
	return &c.poll
}

// pause implements registration: no interest, but the kernel still reports a reset.
func (c *epollConn) pause() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return false
	}
	c.paused.Store(true)
	return syscalls.EpollMod(c.loop.epfd, c.fd, 0, c.token) == nil
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

// connect implements driver: the descriptor is opened, connected and registered without Go's own poller; the calling goroutine waits.
func (d *epollDriver) connect(ctx context.Context, to target, o *SocketOptions) (opened, error) {
	fd, err := openSocket(to, o)
	if err != nil {
		return nil, err
	}
	c := &epollConn{loop: d.pick(), fd: fd}
	if to.path != "" {
		err = syscalls.ConnectUnix(fd, to.path)
	} else {
		err = syscalls.Connect(fd, to.addr)
	}
	if errors.Is(err, syscall.EINPROGRESS) {
		err = d.await(ctx, c)
	} else if err == nil {
		err = d.add(c, syscalls.EpollOneShot)
	}
	if err == nil {
		err = syscalls.SocketError(fd)
	}
	if err != nil {
		d.drop(c)
		if errno := syscall.Errno(0); errors.As(err, &errno) {
			err = &net.OpError{Op: "dial", Net: to.network(), Addr: endpointsOf(to, -1).remote(), Err: os.NewSyscallError("connect", err)}
		}
		return nil, err
	}
	c.ends = endpointsOf(to, fd)
	return c, nil
}

func openSocket(to target, o *SocketOptions) (int, error) {
	if to.path != "" {
		fd, err := syscalls.SocketUnix()
		return fd, os.NewSyscallError("socket", err)
	}
	fd, err := syscalls.SocketTCP(!to.addr.Addr().Unmap().Is4())
	if err != nil {
		return -1, os.NewSyscallError("socket", err)
	}
	if err := o.apply(fd); err != nil {
		_ = syscalls.Close(fd)
		return -1, os.NewSyscallError("setsockopt", err)
	}
	return fd, nil
}

// add puts a descriptor into its loop's set. One-shot interest keeps a reset, which is reported unasked, from being reported again and again
// before the connection has its sink.
func (d *epollDriver) add(c *epollConn, interest uint32) error {
	if err := d.enter(); err != nil {
		return err
	}
	defer d.gate.RUnlock()
	if err := c.loop.slots.add(c); err != nil {
		return err
	}
	if err := syscalls.EpollAdd(c.loop.epfd, c.fd, interest, c.token); err != nil {
		c.loop.slots.remove(c.token)
		c.token = noToken
		return os.NewSyscallError("epoll_ctl", err)
	}
	return nil
}

// await waits for the end of a handshake.
func (d *epollDriver) await(ctx context.Context, c *epollConn) error {
	// On loopback the handshake is over before connect returns, so that a look spares the loop.
	if ok, _ := syscalls.WaitWritable(c.fd, 0); ok {
		return d.add(c, syscalls.EpollOneShot)
	}
	c.connecting = make(chan struct{}, 1)
	if err := d.add(c, syscalls.EpollOut|syscalls.EpollOneShot); err != nil {
		return err
	}
	select {
	case <-c.connecting:
		return nil
	case <-ctx.Done():
		return contextError(ctx)
	case <-d.stopped:
		return ErrStopped
	}
}

// drop closes a connection that will not be registered.
func (d *epollDriver) drop(c *epollConn) {
	if d.enter() == nil {
		if c.token != noToken {
			c.loop.slots.remove(c.token)
			_ = syscalls.EpollDel(c.loop.epfd, c.fd)
		}
		d.gate.RUnlock()
	}
	_ = syscalls.Close(c.fd)
}

// discard implements opened.
func (c *epollConn) discard() { c.loop.driver.drop(c) }

// addrs implements registration.
func (c *epollConn) addrs() (local, remote net.Addr) { return c.ends.addrs() }

// adopt implements driver. The descriptor must leave Go's poller, so it goes on under a duplicate.
func (d *epollDriver) adopt(nc net.Conn) (opened, error) {
	sc, ok := nc.(syscall.Conn)
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn:
	default:
		ok = false
	}
	if !ok {
		_ = nc.Close()
		return nil, fmt.Errorf("dialer returned a %T, want a *net.TCPConn or *net.UnixConn: %w", nc, errors.ErrUnsupported)
	}
	defer func() { _ = nc.Close() }()
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &epollConn{loop: d.pick(), ends: endpointsOfConn(nc)}
	var dupErr error
	if err := errors.Join(rc.Control(func(fd uintptr) { c.fd, dupErr = syscalls.Dup(int(fd)) }), dupErr); err != nil {
		return nil, err
	}
	if err := d.add(c, syscalls.EpollOneShot); err != nil {
		d.drop(c)
		return nil, err
	}
	return c, nil
}

// register implements driver. The sink learns of its descriptor before the loop learns to read it.
func (d *epollDriver) register(o opened, s sink) error {
	c := o.(*epollConn)
	c.sink = s
	if err := d.enter(); err != nil {
		d.drop(c)
		return err
	}
	defer d.gate.RUnlock()
	s.onOpen(c, c.fd)
	l := c.loop
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live.Store(true)
	if err := syscalls.EpollMod(l.epfd, c.fd, readInterest, c.token); err != nil {
		l.slots.remove(c.token)
		c.ended = true
		_ = syscalls.Close(c.fd)
		return errors.Join(ErrNotRegistered, os.NewSyscallError("epoll_ctl", err))
	}
	return nil
}
