package syscalls

import (
	"time"

	"golang.org/x/sys/unix"
)

// Timerfd returns a timer that is a descriptor, readable once it has expired: on the monotonic clock, non-blocking and closed on exec, not armed.
// The caller owns it.
func Timerfd() (int, error) {
	return unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
}

// TimerfdArm makes fd expire once, d from now, and unreadable until then. It replaces the time that was set before. 0 or less is at once.
// The timer is the kernel's finest: no timer slack comes on top (timerfd_create(2)). It never sleeps.
func TimerfdArm(fd int, d time.Duration) error {
	value := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(max(d, 1)))} // 0 would disarm it
	return unix.TimerfdSettime(fd, 0, &value, nil)
}
