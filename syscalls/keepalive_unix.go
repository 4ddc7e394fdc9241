//go:build linux || darwin || dragonfly || freebsd || netbsd

package syscalls

import (
	"time"

	"golang.org/x/sys/unix"
)

// setKeepAliveTimes sets those of the three values that are not zero.
func setKeepAliveTimes(fd int, idle, interval time.Duration, count int) error {
	idleSeconds, ok1 := roundUp(idle, time.Second)
	intervalSeconds, ok2 := roundUp(interval, time.Second)
	if !ok1 || !ok2 {
		return unix.EINVAL
	}
	for _, o := range [...]struct{ option, value int }{
		{keepIdleOption, idleSeconds},
		{unix.TCP_KEEPINTVL, intervalSeconds},
		{unix.TCP_KEEPCNT, count},
	} {
		if o.value == 0 {
			continue
		}
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_TCP, o.option, o.value); err != nil {
			return err
		}
	}
	return nil
}
