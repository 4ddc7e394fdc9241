package loop

import (
	"fmt"
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

	bridges bridges

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
func (d *epollDriver) pollStats() (hit, miss time.Duration) {
	for _, l := range d.loops {
		hit += time.Duration(l.spin.hit.Load())
		miss += time.Duration(l.spin.miss.Load())
	}
	return hit, miss
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
	alarm  alarm

	moderator moderator
	patients  patients // safe for concurrent use
	rested    bool     // this turn follows a rest
	kept      []*Conn  // to be flushed at the end of this turn, which follows a rest
	clock     int64    // when the events of this turn were found; 0 if nobody has looked

	stopping atomic.Bool
	sleeping atomic.Bool  // the loop is, or is about to be, asleep: who posts has to wake it
	resting  atomic.Int64 // for how long, in nanoseconds; sockets do not wake it meanwhile. 0: it does not rest
	waking   atomic.Int32 // who may be waking it, and has its descriptors in hand

	wakes   atomic.Int64 // system calls that woke it
	rests   atomic.Int64 // times that it rested
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
	if err := l.sleep.init(epfd); err != nil { // which has closed epfd
		_ = syscalls.Close(wakefd)
		return nil, err
	}
	if err := l.alarm.init(); err != nil {
		l.release()
		return nil, err
	}
	return l, nil
}

// release gives the descriptors back, of a loop that does not run any more. Who has begun to wake it meanwhile, a rest's end coming first, must not hit a descriptor
// that the kernel has given to somebody else.
func (l *epollLoop) release() {
	for l.waking.Load() > 0 {
		runtime.Gosched()
	}
	_ = syscalls.Close(l.wakefd)
	l.sleep.close()
	l.alarm.close()
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
	l.clock = 0
	if l.rested {
		l.rested = false
		l.flushKept()
		if n := l.rest(false); n > 0 { // without a look: the few that have come meanwhile can wait for the others
			return n
		}
	}
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
	if n = l.rest(true); n > 0 {
		return n
	}
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
		l.clock = now()
		l.spin.event(l.clock)
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
		if ev.Events&syscalls.EpollErr != 0 { // an end without an error leaves bytes to be read after the pause
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
	if !l.sleeping.Load() {
		return
	}
	l.waking.Add(1)
	if l.sleeping.CompareAndSwap(true, false) {
		l.wakes.Add(1)
		if l.resting.Load() > 0 {
			l.alarm.ring()
		} else {
			_ = syscalls.EventfdSignal(l.wakefd)
		}
	}
	l.waking.Add(-1)
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
func (l *epollLoop) hot(delta int64) {
	l.spin.inFlight.Add(delta)
	if delta >= oneHurried && l.resting.Load() > 0 {
		l.wake()
	}
}

// patient implements pollingLoop.
func (l *epollLoop) patient(allows restStep, n int32) {
	l.patients[allows].Add(n)
	if n > 0 && l.resting.Load() > int64(allows.rest()) {
		l.wake()
	}
}

// expect implements pollingLoop.
func (l *epollLoop) expect(budget time.Duration) {
	if l.sleeping.Load() {
		l.spin.wanted.Store(int64(budget))
		l.wake()
	}
}
