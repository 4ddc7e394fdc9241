//go:build !linux

package syscalls

// GetTCPInfo is supported on Linux only.
func GetTCPInfo(fd int) (TCPInfo, error) { return TCPInfo{}, unsupported("TCP_INFO") }
