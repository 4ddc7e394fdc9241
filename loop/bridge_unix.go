//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package loop

import (
	"io"
	"net"
	"os"
	"syscall"
)

// bridge makes a connection that a loop can hold out of one that has no descriptor of its own, such as a tunnel's: a pair of Unix sockets with two
// goroutines that copy between the one and the other. It is the price of dialers that return something else than a TCP or Unix connection.
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
	// Each ends when either side of it does; then both connections are closed, and nobody waits.
	carry := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		_ = theirs.Close()
		_ = nc.Close()
	}
	go carry(theirs, nc)
	go carry(nc, theirs)
	return ours, nil
}
