//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func TestWaitWritableTellsRoomFromNone(t *testing.T) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range pair {
		defer func() { _ = unix.Close(fd) }()
		if err := unix.SetNonblock(fd, true); err != nil {
			t.Fatal(err)
		}
	}
	if ok, err := syscalls.WaitWritable(pair[0], -time.Second); !ok || err != nil {
		t.Errorf("with room: %v, %v, want true", ok, err)
	}
	full := make([]byte, 64<<10)
	for {
		if _, err := syscalls.Write(pair[0], full); err != nil {
			break
		}
	}
	took := time.Duration(0)
	for range 5 { // again if a stray signal of the runtime cut the wait short
		began := time.Now()
		if ok, err := syscalls.WaitWritable(pair[0], 20*time.Millisecond); ok || err != nil {
			t.Errorf("without room: %v, %v, want false", ok, err)
		}
		if took = time.Since(began); took >= 15*time.Millisecond {
			return
		}
	}
	t.Errorf("waited %v, want 20 ms", took)
}
