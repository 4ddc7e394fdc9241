package loop

import (
	"errors"
	"net"
	"os"

	"kafkaio/syscalls"
)

// apply sets the options on a TCP socket before it connects. What the platform does not have is left alone.
func (o *SocketOptions) apply(fd int) error {
	return errors.Join(
		need(syscalls.SetNoDelay(fd, true)),
		o.applyKeepAlive(fd),
		when(o.UserTimeout > 0, func() error { return syscalls.SetUserTimeout(fd, o.UserTimeout) }),
		when(o.ReadBufferBytes > 0, func() error { return syscalls.SetReadBuffer(fd, o.ReadBufferBytes) }),
		when(o.WriteBufferBytes > 0, func() error { return syscalls.SetWriteBuffer(fd, o.WriteBufferBytes) }),
		need(syscalls.SetNoSigpipe(fd)),
	)
}

// applyTo sets the options on a connection that somebody else's dialer has made, if it is one of TCP: they then hold through a proxy as they do without.
// What the handshake fixes, the scale of the receive window, they come too late for.
func (o *SocketOptions) applyTo(nc net.Conn) error {
	c, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	rc, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	if err := rc.Control(func(fd uintptr) { set = o.apply(int(fd)) }); err != nil {
		return err
	}
	return os.NewSyscallError("setsockopt", set)
}

func (o *SocketOptions) applyKeepAlive(fd int) error {
	if o.KeepAliveIdle < 0 {
		return need(syscalls.DisableKeepAlive(fd))
	}
	on := o.KeepAliveIdle > 0 || o.KeepAliveInterval > 0 || o.KeepAliveCount > 0
	return when(on, func() error {
		return syscalls.SetKeepAlive(fd, o.KeepAliveIdle, o.KeepAliveInterval, o.KeepAliveCount)
	})
}

func when(want bool, set func() error) error {
	if !want {
		return nil
	}
	return need(set())
}

// need passes an error on unless it says that the platform has no such option.
func need(err error) error {
	if errors.Is(err, errors.ErrUnsupported) {
		return nil
	}
	return err
}
