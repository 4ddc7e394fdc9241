//go:build !linux

package syscalls

import "time"

// SetQuickAck is supported on Linux only.
func SetQuickAck(fd int, on bool) error { return unsupported("TCP_QUICKACK") }

// SetUserTimeout is supported on Linux only.
func SetUserTimeout(fd int, d time.Duration) error { return unsupported("TCP_USER_TIMEOUT") }

// QueuedOut is supported on Linux only.
func QueuedOut(fd int) (int, error) { return 0, unsupported("SIOCOUTQ") }
