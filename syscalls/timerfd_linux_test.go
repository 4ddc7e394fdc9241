package syscalls_test

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func TestTimerfd(t *testing.T) {
	fd, err := syscalls.Timerfd()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscalls.Close(fd) }()
	expired := func(patience time.Duration) bool {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(patience/time.Millisecond))
		return err == nil && n == 1
	}
	if expired(0) {
		t.Error("a new timer has expired")
	}
	for _, d := range []time.Duration{-1, 0, 2 * time.Millisecond} {
		began := time.Now()
		if err := syscalls.TimerfdArm(fd, d); err != nil {
			t.Fatal(err)
		}
		if !expired(10*time.Second) || time.Since(began) < d {
			t.Errorf("%v: not expired, or after %v already", d, time.Since(began))
		}
	}
	if err := syscalls.TimerfdArm(fd, time.Hour); err != nil {
		t.Fatal(err)
	}
	if expired(0) {
		t.Error("a timer that was armed anew is still readable")
	}
	if err := syscalls.TimerfdArm(-1, 0); !errors.Is(err, unix.EBADF) {
		t.Errorf("bad descriptor: %v, want EBADF", err)
	}
}
