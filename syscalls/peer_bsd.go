//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import "golang.org/x/sys/unix"

// PeerClosed reports whether the peer has ended its side of the connection: its
// FIN or RST has arrived. It consumes no bytes and never waits.
//
// Here it peeks at the next byte, so a FIN behind unread bytes goes unseen
// until these are read: true is certain, false is not. On Linux both are.
func PeerClosed(fd int) (bool, error) {
	var b [1]byte
	for {
		n, _, err := unix.Recvfrom(fd, b[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		switch {
		case n > 0:
			return false, nil
		case err == nil:
			return true, nil
		}
		switch err {
		case unix.EINTR:
			continue
		case unix.EAGAIN:
			return false, nil
		case unix.ECONNRESET, unix.EPIPE, unix.ETIMEDOUT:
			return true, nil
		}
		return false, err
	}
}
