//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package syscalls

import "time"

// Read is not supported here.
func Read(fd int, b []byte) (int, error) { return 0, unsupported("non-blocking read") }

// Write is not supported here.
func Write(fd int, b []byte) (int, error) { return 0, unsupported("non-blocking write") }

// Writev is not supported here.
func Writev(fd int, bufs [][]byte) (int, error) { return 0, unsupported("non-blocking writev") }

// IsRetry reports whether err says that a call would have had to wait. No
// call of this package does so here.
func IsRetry(err error) bool { return false }

// Raw reports whether small transfers bypass the scheduler. See RawMax.
const Raw = false

// WaitWritable is not supported here.
func WaitWritable(fd int, timeout time.Duration) (bool, error) {
	return false, unsupported("waiting for room")
}
