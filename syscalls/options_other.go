//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package syscalls

import "time"

// SetNoDelay is not supported here.
func SetNoDelay(fd int, on bool) error { return unsupported("TCP_NODELAY") }

// SetReadBuffer is not supported here.
func SetReadBuffer(fd, bytes int) error { return unsupported("SO_RCVBUF") }

// SetWriteBuffer is not supported here.
func SetWriteBuffer(fd, bytes int) error { return unsupported("SO_SNDBUF") }

// SetKeepAlive is not supported here.
func SetKeepAlive(fd int, idle, interval time.Duration, count int) error {
	return unsupported("SO_KEEPALIVE")
}

// DisableKeepAlive is not supported here.
func DisableKeepAlive(fd int) error { return unsupported("SO_KEEPALIVE") }

// SetNoSigpipe is not supported here; there is no SIGPIPE either.
func SetNoSigpipe(fd int) error { return unsupported("SO_NOSIGPIPE") }
