//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
)

// bridge makes a connection that a loop can hold out of one that has no descriptor of its own, such as a tunnel's: a pair of Unix sockets with two
// goroutines that copy between the one and the other. It is the price of dialers that return something else than a TCP or Unix connection.
//
// Each goroutine ends when either side of it does. A tunnel that takes no bytes would keep both: see bridges.
func bridge(nc net.Conn) (net.Conn, error) {
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		return nil, os.NewSyscallError("socketpair", err)
	}
	var ends [2]net.Conn
	for i, fd := range fds {
		syscall.CloseOnExec(fd)
		f := os.NewFile(uintptr(fd), "bridge")
		c, ferr := net.FileConn(f)
		_ = f.Close()
		if ferr != nil {
			err = ferr
		}
		ends[i] = c
	}
	if err != nil {
		for _, c := range ends {
			if c != nil {
				_ = c.Close()
			}
		}
		return nil, err
	}
	ours, theirs := ends[0], ends[1]
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = theirs.Close()
		_ = nc.Close()
	}
	go carry(theirs, nc)
	go carry(nc, theirs)
	return ours, nil
}

// bridges remembers which registrations stand for a tunnel, to close that with them.
type bridges struct {
	any     atomic.Bool
	tunnels sync.Map // registration to net.Conn
}

func (b *bridges) begin(r registration, tunnel net.Conn) {
	b.any.Store(true)
	b.tunnels.Store(r, tunnel)
}

// end closes the tunnel of a connection that has ended, if it has one.
func (b *bridges) end(r registration) {
	if !b.any.Load() {
		return
	}
	if tunnel, ok := b.tunnels.LoadAndDelete(r); ok {
		_ = tunnel.(net.Conn).Close()
	}
}
