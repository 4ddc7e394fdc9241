package syscalls

import "golang.org/x/sys/unix"

// PeerClosed reports whether the peer has ended its side of the connection: its
// FIN or RST has arrived. Unread bytes in front of the FIN do not hide it. It
// consumes nothing, neither bytes nor the pending error, and never waits.
//
// For TCP it reads the state from TCP_INFO. [TCPClose] counts as ended, which
// covers a reset, a connection that timed out, and a socket that was never
// connected. For other stream sockets, which have no such state, it polls for
// POLLRDHUP: that too sees past unread bytes, but cannot tell the peer's end
// from our own [Shutdown].
func PeerClosed(fd int) (bool, error) {
	// The state is the first byte of struct tcp_info, and the kernel copies
	// no more of it than is asked for.
	state, err := unix.GetsockoptByte(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	switch err {
	case nil:
		return peerEnded(TCPState(state)), nil
	case unix.EOPNOTSUPP, unix.ENOPROTOOPT:
		return polledHangUp(fd)
	}
	return false, err
}

// peerEnded reports whether a socket in state s has got its peer's FIN or RST.
func peerEnded(s TCPState) bool {
	return s == TCPCloseWait || s == TCPLastAck || s == TCPClosing || s == TCPTimeWait || s == TCPClose
}

func polledHangUp(fd int) (bool, error) {
	fds := [1]unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		_, err := unix.Poll(fds[:], 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return false, err
		}
		return fds[0].Revents&(unix.POLLRDHUP|unix.POLLHUP) != 0, nil
	}
}
