//go:build !linux

package syscalls

// OpenDescriptors is supported on Linux only.
func OpenDescriptors() (int, error) { return 0, unsupported("count of open descriptors") }
