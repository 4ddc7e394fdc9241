package loop

import (
	"context"
	"net"
	"net/netip"
	"time"
)

// Driver names an implementation of the event loops.
type Driver uint8

const (
	// DriverAuto is the driver that DESIGN.md's table favours on this platform.
	DriverAuto Driver = iota
	// DriverGnet is gnet's engine in client mode: every platform that gnet serves.
	DriverGnet
	// DriverEpoll is an epoll loop of our own, which can poll without sleeping: Linux.
	DriverEpoll
)

// String is the driver's name as flags and reports spell it.
func (d Driver) String() string {
	switch d {
	case DriverAuto:
		return "auto"
	case DriverGnet:
		return "gnet"
	case DriverEpoll:
		return "epoll"
	default:
		return "unknown"
	}
}

// sink is what a driver delivers a descriptor's events to. All methods run on the goroutine of the loop that the descriptor belongs to,
// one at a time, and none may block.
type sink interface {
	// onOpen is the first call. The registration and its descriptor are valid until onClose returns.
	onOpen(r registration, fd int)
	// onData brings bytes that were read. They are borrowed: valid until onData returns. False asks the driver to close the connection.
	onData(b []byte) bool
	// direct gives memory to read into in place of the driver's own, nil for none; filled then takes the place of onData.
	direct() []byte
	// filled tells that n > 0 bytes were read into what direct gave. False asks the driver to close the connection.
	filled(n int) bool
	// onMoved tells that the connection goes on under another descriptor; the old one is closed when onMoved returns.
	onMoved(fd int)
	// onClose is the last call, exactly once if register has succeeded, while the descriptor is still open; it is closed when onClose returns.
	// err is io.EOF after the peer's FIN, an errno, or nil when this side asked for the end.
	onClose(err error)
}

// registration is a descriptor's place in its loop. Methods may be called from any goroutine unless they say otherwise.
type registration interface {
	// close asks for the end: onClose(nil) follows, unless it has been called already.
	close()
	// post runs f on the loop, or, while the connection is paused and no loop has it, on a goroutine that stands in for one. It may be lost while the
	// loop stops, and after the end; onClose is not.
	post(f func())
	// handOver makes another sink the connection's, whose onOpen has been called. Only on the loop.
	handOver(s sink)
	// pause stops reading; only from onData, which has taken all bytes that it was given, and from direct, which gives nil. Pausing again changes nothing. It
	// reports false where nothing more can be read anyway, and where gnet lacks a descriptor for it: then it reads on.
	pause() bool
	// addrs gives the addresses of both ends, also after the end.
	addrs() (local, remote net.Addr)
	// polling gives the connection's say in its loop's busy polling, with the budget that it was dialled with; nil where the loop never polls for it.
	// Only from onOpen.
	polling(budget time.Duration) *polling
	// resume reads again after pause, also where it comes first by a hair. Not from a loop's goroutine.
	resume()
}

// driver runs event loops.
type driver interface {
	// connect opens a TCP connection or one over a Unix socket, not registered yet.
	connect(ctx context.Context, to target, o *SocketOptions) (opened, error)
	// adopt takes over a connection that somebody else's dialer has made. It belongs to the driver even when adopt fails.
	adopt(c net.Conn) (opened, error)
	// register hands an open connection to a loop. When it returns nil, onOpen has run. The connection belongs to the driver even when it fails.
	// Not from a loop's goroutine.
	register(c opened, s sink) error
	// onLoop reports whether the calling goroutine is one of the driver's loops. It costs about a microsecond.
	onLoop() bool
	// pollStats tells how long the loops have polled, in polls that ended with an event and in those that did not.
	pollStats() (hit, miss time.Duration)
	// stop ends all connections and waits for the loops. Called once, never from a loop's goroutine.
	stop()
}

// target is one address to connect to: TCP, or a Unix socket's path.
type target struct {
	addr netip.AddrPort
	path string
}

func (t target) String() string {
	if t.path != "" {
		return t.path
	}
	return t.addr.String()
}

// opened is a connection between connect and register.
type opened interface {
	// discard closes a connection that will not be registered.
	discard()
}

func (t target) network() string {
	if t.path != "" {
		return "unix"
	}
	return "tcp"
}
