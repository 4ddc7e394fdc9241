package leak_test

import (
	"strings"
	"syscall"
	"testing"

	"kafkaio/internal/leak"
)

// blockedRead sits in a system call, as an event loop does that waits for epoll.
func blockedRead(fd int, ended chan<- struct{}) {
	_, _ = syscall.Read(fd, make([]byte, 1))
	close(ended)
}

// goleak leaves out some goroutines in state "syscall"; a forgotten event loop
// must not be among them.
func TestCheckFindsAGoroutineInASystemCall(t *testing.T) {
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	defer func() {
		_ = syscall.Close(p[1])
		<-ended
		_ = syscall.Close(p[0])
	}()
	r := &recorder{}
	leak.Check(r, leak.Patience(0))
	go blockedRead(p[0], ended)
	if got := r.end(); !strings.Contains(got, "blockedRead") {
		t.Errorf("failures %q; want the stack of blockedRead", got)
	}
}
