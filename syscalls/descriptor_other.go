//go:build !linux && !darwin && !dragonfly && !freebsd && !netbsd && !openbsd

package syscalls

// Dup is not supported here.
func Dup(fd int) (int, error) { return -1, unsupported("dup") }

// Close is not supported here.
func Close(fd int) error { return unsupported("close of a descriptor") }

// Shutdown is not supported here.
func Shutdown(fd int) error { return unsupported("shutdown") }

// ShutdownWrite is not supported here.
func ShutdownWrite(fd int) error { return unsupported("shutdown of writing") }

// SocketError is not supported here.
func SocketError(fd int) error { return unsupported("SO_ERROR") }

// PeerClosed is not supported here.
func PeerClosed(fd int) (bool, error) { return false, unsupported("peer state") }
