package loop

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"

	"kafkaio/syscalls"
)

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

// add puts a descriptor into its loop's set. The caller has entered.
func (c *epollConn) add(interest uint32) error {
	if err := c.loop.slots.add(c); err != nil {
		return err
	}
	if err := syscalls.EpollAdd(c.loop.epfd, c.fd, interest, c.token); err != nil {
		c.loop.slots.remove(c.token)
		return os.NewSyscallError("epoll_ctl", err)
	}
	c.added = true
	return nil
}

// await waits for the end of a handshake.
func (d *epollDriver) await(ctx context.Context, c *epollConn) error {
	// On loopback the handshake is over before connect returns, so that a look spares the loop.
	if ok, _ := syscalls.WaitWritable(c.fd, 0); ok {
		return nil
	}
	c.connecting = make(chan struct{}, 1)
	if err := d.enter(); err != nil {
		return err
	}
	err := c.add(syscalls.EpollOut | syscalls.EpollOneShot) // once: a reset is reported unasked, and would be again and again
	d.gate.RUnlock()
	if err != nil {
		return err
	}
	c.loop.hot(oneHurried)
	defer c.loop.hot(-oneHurried)
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
		if c.added {
			c.loop.slots.remove(c.token)
			_ = syscalls.EpollDel(c.loop.epfd, c.fd)
		}
		d.gate.RUnlock()
	}
	_ = syscalls.Close(c.fd)
	d.bridges.end(c)
}

// discard implements opened.
func (c *epollConn) discard() { c.loop.driver.drop(c) }

// addrs implements registration.
func (c *epollConn) addrs() (local, remote net.Addr) { return c.ends.addrs() }

// adopt implements driver. The descriptor must leave Go's poller, so it goes on under a duplicate.
func (d *epollDriver) adopt(nc net.Conn) (opened, error) {
	var sc syscall.Conn
	var tunnel net.Conn
	switch own := nc.(type) {
	case *net.TCPConn:
		sc = own
	case *net.UnixConn:
		sc = own
	default:
		b, err := bridge(nc)
		if err != nil {
			_ = nc.Close()
			return nil, err
		}
		tunnel, nc, sc = nc, b, b.(*net.UnixConn)
	}
	defer func() { _ = nc.Close() }()
	rc, err := sc.SyscallConn()
	if err != nil {
		return nil, err
	}
	c := &epollConn{loop: d.pick(), ends: endpointsOfConn(nc)}
	var dupErr error
	if err := rc.Control(func(fd uintptr) { c.fd, dupErr = syscalls.Dup(int(fd)) }); err != nil || dupErr != nil {
		return nil, errors.Join(err, dupErr)
	}
	if tunnel != nil {
		d.bridges.begin(c, tunnel)
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.live.Store(true)
	var err error
	if !c.added {
		err = c.add(readInterest)
	} else if err = syscalls.EpollMod(c.loop.epfd, c.fd, readInterest, c.token); err != nil {
		c.loop.slots.remove(c.token)
	}
	if err != nil {
		c.ended = true
		_ = syscalls.Close(c.fd)
		return errors.Join(ErrNotRegistered, err)
	}
	return nil
}
