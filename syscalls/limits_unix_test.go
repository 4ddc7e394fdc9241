//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"errors"
	"math"
	"testing"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func TestRaiseFileLimitGoesUpToHardAndNeverDown(t *testing.T) {
	var start unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &start); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &start); err != nil {
			t.Error(err)
		}
	})
	hard, err := syscalls.GetFileLimits()
	if err != nil {
		t.Fatal(err)
	}
	if hard.Soft < 128 || hard.Hard < hard.Soft {
		t.Skipf("limits %+v leave no room to test", hard)
	}
	low := start
	low.Cur = 100
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &low); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ want, soft uint64 }{
		{0, 100},
		{99, 100},
		{100, 100},
		{120, 120},
		{110, 120},
	} {
		got, err := syscalls.RaiseFileLimit(c.want)
		if err != nil || got.Soft != c.soft || got.Hard != hard.Hard {
			t.Errorf("%d: got %+v, %v, want soft %d, hard %d", c.want, got, err, c.soft, hard.Hard)
		}
	}
	if hard.Hard == math.MaxUint64 {
		return // no kernel grants that
	}
	if got, err := syscalls.RaiseFileLimit(math.MaxUint64); err != nil || got.Soft != hard.Hard {
		t.Errorf("all: got %+v, %v, want soft %d", got, err, hard.Hard)
	}
	if got, err := syscalls.GetFileLimits(); err != nil || got.Soft != hard.Hard {
		t.Errorf("afterwards: got %+v, %v, want soft %d", got, err, hard.Hard)
	}
}

func TestOpenDescriptorsCounts(t *testing.T) {
	before, err := syscalls.OpenDescriptors()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil || before < 3 {
		t.Fatalf("got %d, %v, want 3 at least", before, err)
	}
	inUse := 0
	for fd := range 4096 {
		if _, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err == nil {
			inUse++
		}
	}
	if before != inUse {
		t.Errorf("got %d, want the %d that fcntl finds", before, inUse)
	}
	fds := make([]int, 700) // more than one directory read
	for i := range fds {
		if fds[i], err = syscalls.Dup(0); err != nil {
			fds = fds[:i]
			t.Log(err)
			break
		}
	}
	if got, err := syscalls.OpenDescriptors(); err != nil || got != before+len(fds) {
		t.Errorf("got %d, %v, want %d", got, err, before+len(fds))
	}
	for _, fd := range fds {
		if err := syscalls.Close(fd); err != nil {
			t.Error(err)
		}
	}
	if got, err := syscalls.OpenDescriptors(); err != nil || got != before {
		t.Errorf("after closing: got %d, %v, want %d", got, err, before)
	}
}

func TestLocalPortRange(t *testing.T) {
	lo, hi, err := syscalls.LocalPortRange()
	if err != nil {
		t.Fatal(err)
	}
	if lo < 1 || hi < lo || hi > 65535 {
		t.Errorf("got %d to %d", lo, hi)
	}
}
