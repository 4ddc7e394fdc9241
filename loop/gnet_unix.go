//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/panjf2000/gnet/v2"
	"github.com/panjf2000/gnet/v2/pkg/logging"

	"kafkaio/syscalls"
)

// gnetDriver runs connections on gnet v2 in client mode, level-triggered. DESIGN.md lists the traps that its code steps around.
type gnetDriver struct {
	client *gnet.Client
	loops  loopSet
	parked parkingLot

	bridges bridges
}

func startGnet(loops int) (driver, error) {
	d := &gnetDriver{}
	client, err := gnet.NewClient(&gnetHandler{d: d},
		gnet.WithNumEventLoop(loops),
		gnet.WithLogger(silence{}), // gnet logs to stdout otherwise
	)
	if err != nil {
		return nil, err
	}
	if err := client.Start(); err != nil {
		return nil, err
	}
	d.client = client
	return d, nil
}

// gnetState is where a connection on gnet stands; pausing takes it through all of them (see gnet_pause_unix.go).
//
//	enrolling ──> live ──> moving ──> parked ──> enrolling …        any ──> over
type gnetState uint8

const (
	gnetEnrolling gnetState = iota // gnet has not called OnOpen yet
	gnetLive                       // on its loop
	gnetMoving                     // paused: gnet is about to let go of it
	gnetParked                     // paused: on no loop
	gnetOver                       // the sink has been, or is being, told of the end
)

// gnetConn is one connection on gnet: the registration of its sink, and gnet's context value, so that gnet's callbacks find it without a map.
type gnetConn struct {
	driver *gnetDriver
	sink   sink
	local  net.Addr
	remote net.Addr

	mu         sync.Mutex // guards all below
	conn       gnet.Conn  // while live or moving
	state      gnetState
	known      bool // the sink has had its onOpen
	opens      int  // how often gnet has called OnOpen
	wantClose  bool // close was asked for while no loop could be told
	wantResume bool // resume was asked for while moving
	fd         int  // the descriptor of a connection that is moving or parked

	tasks   []func() // posted while no loop has the connection
	running bool     // runTasks runs them
}

// gnetHandler receives gnet's callbacks; they run on the loop of the connection.
type gnetHandler struct {
	gnet.BuiltinEventEngine
	d *gnetDriver
}

// OnOpen implements gnet.EventHandler.
func (h *gnetHandler) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	if !h.d.loops.containsCaller() {
		h.d.loops.addCaller()
	}
	c := gc.Context().(*gnetConn)
	c.mu.Lock()
	c.conn = gc
	c.state = gnetLive
	c.opens++
	again := c.known
	c.known = true
	old := c.fd
	c.fd = -1
	closing := c.wantClose
	tasks := c.tasks
	c.tasks = nil
	c.mu.Unlock()
	if again {
		c.sink.onMoved(gc.Fd())
		_ = syscalls.Close(old)
	} else {
		c.sink.onOpen(c, gc.Fd())
	}
	for _, f := range tasks {
		f()
	}
	if closing {
		return nil, gnet.Close
	}
	return nil, gnet.None
}

// OnTraffic implements gnet.EventHandler. Taking all bytes keeps gnet from ever allocating a buffer for the connection.
func (h *gnetHandler) OnTraffic(gc gnet.Conn) gnet.Action {
	c := gc.Context().(*gnetConn)
	b, _ := gc.Next(-1)
	if len(b) > 0 {
		if !c.sink.onData(b) || !readDirect(gc.Fd(), c.sink) {
			return gnet.Close
		}
	}
	if c.state == gnetMoving { // by pause, on this goroutine
		return gnet.Close
	}
	return gnet.None
}

// OnClose implements gnet.EventHandler. gnet closes its descriptor after it.
func (h *gnetHandler) OnClose(gc gnet.Conn, err error) gnet.Action {
	c := gc.Context().(*gnetConn)
	c.mu.Lock()
	if c.state == gnetMoving && err == nil && !c.wantClose && h.d.park(c) {
		c.mu.Unlock()
		return gnet.None
	}
	c.state = gnetOver
	fd := c.fd
	c.mu.Unlock()
	if errors.Is(err, io.EOF) {
		err = io.EOF // gnet has it in a SyscallError
	}
	c.sink.onClose(err)
	if fd >= 0 {
		_ = syscalls.Close(fd)
	}
	h.d.bridges.end(c)
	return gnet.None
}

// close implements registration.
func (c *gnetConn) close() {
	c.mu.Lock()
	switch c.state {
	case gnetLive:
		gc := c.conn
		c.mu.Unlock()
		_ = gc.Close()
	case gnetParked:
		c.overLocked(nil)
	case gnetEnrolling, gnetMoving:
		c.wantClose = true // OnOpen, or OnClose, sees to it
		c.mu.Unlock()
	case gnetOver:
		c.mu.Unlock()
	}
}

// addrs implements registration.
func (c *gnetConn) addrs() (local, remote net.Addr) { return c.local, c.remote }

// polling implements registration: gnet goes to sleep after one empty poll.
func (c *gnetConn) polling(time.Duration) *polling { return nil }

// handOver implements registration.
func (c *gnetConn) handOver(s sink) { c.sink = s }

// post implements registration.
func (c *gnetConn) post(f func()) {
	c.mu.Lock()
	if c.state != gnetLive {
		c.mu.Unlock()
		c.postParked(f)
		return
	}
	gc := c.conn
	c.mu.Unlock()
	_ = gc.EventLoop().Execute(context.Background(), gnet.RunnableFunc(func(context.Context) error {
		f()
		return nil
	}))
}

// connect implements driver.
func (d *gnetDriver) connect(ctx context.Context, to target, o *SocketOptions) (opened, error) {
	return dialNet(ctx, to, o)
}

// adopt implements driver.
func (d *gnetDriver) adopt(c net.Conn) (opened, error) {
	switch c.(type) {
	case *net.TCPConn, *net.UnixConn: // gnet leaks a descriptor on anything else
		return netOpened{Conn: c}, nil
	default:
		b, err := bridge(c)
		if err != nil {
			_ = c.Close()
			return nil, err
		}
		return netOpened{Conn: b, tunnel: c}, nil
	}
}

// register implements driver.
func (d *gnetDriver) register(o opened, s sink) error {
	nc := o.(netOpened)
	c := &gnetConn{driver: d, sink: s, local: nc.LocalAddr(), remote: nc.RemoteAddr(), fd: -1}
	if nc.tunnel != nil {
		d.bridges.begin(c, nc.tunnel)
	}
	err := d.enroll(nc.Conn, c)
	if err != nil {
		d.bridges.end(c)
	}
	return err
}

// enroll hands a net.Conn to one of gnet's loops and returns when OnOpen has run.
func (d *gnetDriver) enroll(nc net.Conn, c *gnetConn) error {
	// gnet puts the zone's string into a byte pool when the connection ends, which corrupts memory.
	for _, a := range [...]net.Addr{nc.LocalAddr(), nc.RemoteAddr()} {
		if t, ok := a.(*net.TCPAddr); ok {
			t.Zone = ""
		}
	}
	if _, err := d.client.EnrollContext(nc, c); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.known { // gnet swallows a failed epoll registration and closes the descriptor
		return ErrNotRegistered
	}
	return nil
}

func (d *gnetDriver) pollStats() (hit, miss time.Duration) { return 0, 0 }

func (d *gnetDriver) onLoop() bool { return d.loops.containsCaller() }

// stop implements driver. gnet closes every connection that it knows, and OnClose runs for each.
func (d *gnetDriver) stop() {
	d.closeParked()
	_ = d.client.Stop()
}

// silence drops gnet's log. gnet has one logger in the whole process, which every start replaces; ours is told what matters through OnClose.
type silence struct{}

func (silence) Debugf(string, ...any) {}
func (silence) Infof(string, ...any)  {}
func (silence) Warnf(string, ...any)  {}
func (silence) Errorf(string, ...any) {}
func (silence) Fatalf(string, ...any) {}

var _ logging.Logger = silence{}
