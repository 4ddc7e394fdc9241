//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// LocalPortRange returns the first and last port that the kernel picks from
// for outgoing connections, which bounds how many can lead to one address.
func LocalPortRange() (lo, hi int, err error) {
	first, last := "net.inet.ip.portrange.first", "net.inet.ip.portrange.last"
	switch runtime.GOOS {
	case "netbsd":
		first, last = "net.inet.ip.anonportmin", "net.inet.ip.anonportmax"
	case "openbsd":
		first, last = "net.inet.ip.portfirst", "net.inet.ip.portlast"
	}
	a, err := unix.SysctlUint32(first)
	if err != nil {
		return 0, 0, err
	}
	b, err := unix.SysctlUint32(last)
	if err != nil {
		return 0, 0, err
	}
	return int(a), int(b), nil
}
