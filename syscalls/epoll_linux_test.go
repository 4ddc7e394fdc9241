package syscalls_test

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

func newEpoll(t testing.TB) int {
	t.Helper()
	epfd, err := syscalls.EpollCreate()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscalls.Close(epfd) })
	return epfd
}

func TestEpollAddModDel(t *testing.T) {
	countDescriptors(t)
	epfd := newEpoll(t)
	a, b := unixPair(t)
	events := make([]syscalls.EpollEvent, 4)
	poll := func(want int, token uint64, mask uint32) {
		t.Helper()
		n, err := syscalls.EpollPoll(epfd, events)
		if n != want || err != nil {
			t.Fatalf("got %d, %v, want %d events", n, err, want)
		}
		if n == 0 {
			return
		}
		if got := syscalls.Token(&events[0]); got != token {
			t.Errorf("token: got %#x, want %#x", got, token)
		}
		if events[0].Events != mask {
			t.Errorf("events: got %#x, want %#x", events[0].Events, mask)
		}
	}

	const first, second = 0xfedcba9876543210, 0x8000000000000001
	if err := syscalls.EpollAdd(epfd, a, syscalls.EpollIn, first); err != nil {
		t.Fatal(err)
	}
	if err := syscalls.EpollAdd(epfd, a, syscalls.EpollIn, first); !errors.Is(err, unix.EEXIST) {
		t.Errorf("added twice: got %v, want EEXIST", err)
	}
	poll(0, 0, 0)
	if _, err := syscalls.Write(b, []byte("x")); err != nil {
		t.Fatal(err)
	}
	poll(1, first, syscalls.EpollIn)
	poll(1, first, syscalls.EpollIn) // level-triggered
	if err := syscalls.EpollMod(epfd, a, syscalls.EpollIn|syscalls.EpollOut, second); err != nil {
		t.Fatal(err)
	}
	poll(1, second, syscalls.EpollIn|syscalls.EpollOut)
	if err := syscalls.EpollMod(epfd, a, syscalls.EpollIn|syscalls.EpollEdge, first); err != nil {
		t.Fatal(err)
	}
	poll(1, first, syscalls.EpollIn)
	poll(0, 0, 0) // edge-triggered: told once
	if err := syscalls.EpollMod(epfd, a, syscalls.EpollRDHup, first); err != nil {
		t.Fatal(err)
	}
	if err := syscalls.ShutdownWrite(b); err != nil {
		t.Fatal(err)
	}
	poll(1, first, syscalls.EpollRDHup)
	if err := syscalls.EpollDel(epfd, a); err != nil {
		t.Fatal(err)
	}
	poll(0, 0, 0)
	if err := syscalls.EpollDel(epfd, a); !errors.Is(err, unix.ENOENT) {
		t.Errorf("deleted twice: got %v, want ENOENT", err)
	}
	if err := syscalls.EpollMod(epfd, a, syscalls.EpollIn, 1); !errors.Is(err, unix.ENOENT) {
		t.Errorf("changed after delete: got %v, want ENOENT", err)
	}
}

func TestEpollFillsSeveralEvents(t *testing.T) {
	countDescriptors(t)
	epfd := newEpoll(t)
	const pairs = 3
	for i := range pairs {
		a, b := unixPair(t)
		if err := syscalls.EpollAdd(epfd, a, syscalls.EpollIn, uint64(i)<<40|uint64(i)); err != nil {
			t.Fatal(err)
		}
		if _, err := syscalls.Write(b, []byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	for name, wait := range map[string]func([]syscalls.EpollEvent) (int, error){
		"EpollPoll":    func(ev []syscalls.EpollEvent) (int, error) { return syscalls.EpollPoll(epfd, ev) },
		"EpollWait":    func(ev []syscalls.EpollEvent) (int, error) { return syscalls.EpollWait(epfd, ev, -1) },
		"EpollWaitFor": func(ev []syscalls.EpollEvent) (int, error) { return syscalls.EpollWaitFor(epfd, ev, time.Hour) },
	} {
		events := make([]syscalls.EpollEvent, 8)
		if n, err := wait(events); n != pairs || err != nil {
			t.Errorf("%s: got %d, %v, want %d", name, n, err, pairs)
		}
		seen := map[uint64]bool{}
		for i := range events[:pairs] {
			seen[syscalls.Token(&events[i])] = true
		}
		for i := range uint64(pairs) {
			if !seen[i<<40|i] {
				t.Errorf("%s: token %#x is missing", name, i<<40|i)
			}
		}
		if n, err := wait(events[:1]); n != 1 || err != nil {
			t.Errorf("%s into one: got %d, %v, want 1", name, n, err)
		}
		if n, err := wait(nil); n != 0 || !errors.Is(err, unix.EINVAL) {
			t.Errorf("%s into none: got %d, %v, want EINVAL", name, n, err)
		}
	}
}

func TestEpollTimeouts(t *testing.T) {
	countDescriptors(t)
	epfd := newEpoll(t)
	events := make([]syscalls.EpollEvent, 1)
	for _, c := range []struct {
		name  string
		wait  func() (int, error)
		least time.Duration
	}{
		{"EpollPoll", func() (int, error) { return syscalls.EpollPoll(epfd, events) }, 0},
		{"EpollWait 0", func() (int, error) { return syscalls.EpollWait(epfd, events, 0) }, 0},
		{"EpollWait 3", func() (int, error) { return syscalls.EpollWait(epfd, events, 3) }, 3 * time.Millisecond},
		{"EpollWaitFor 0", func() (int, error) { return syscalls.EpollWaitFor(epfd, events, 0) }, 0},
		{"EpollWaitFor 200µs", func() (int, error) { return syscalls.EpollWaitFor(epfd, events, 200*time.Microsecond) }, 200 * time.Microsecond},
	} {
		// Again if a stray signal of the runtime cut the wait short.
		var took time.Duration
		for range 5 {
			start := time.Now()
			n, err := c.wait()
			took = time.Since(start)
			if n != 0 || err != nil {
				t.Errorf("%s: got %d, %v, want 0, nil", c.name, n, err)
			}
			if took >= c.least {
				break
			}
		}
		if took < c.least || took > patience {
			t.Errorf("%s took %v", c.name, took)
		}
	}
}

func TestEpollWaitEndsOnASignal(t *testing.T) {
	countDescriptors(t)
	epfd := newEpoll(t)
	for name, wait := range map[string]func([]syscalls.EpollEvent) (int, error){
		"EpollWait":             func(ev []syscalls.EpollEvent) (int, error) { return syscalls.EpollWait(epfd, ev, 60_000) },
		"EpollWaitFor":          func(ev []syscalls.EpollEvent) (int, error) { return syscalls.EpollWaitFor(epfd, ev, time.Minute) },
		"EpollWaitFor for ever": func(ev []syscalls.EpollEvent) (int, error) { return syscalls.EpollWaitFor(epfd, ev, -1) },
	} {
		t.Run(name, func(t *testing.T) {
			thread := make(chan int)
			type outcome struct {
				n   int
				err error
			}
			ended := make(chan outcome, 1)
			go func() { // ends with the wait; the loop below waits for that
				runtime.LockOSThread()
				defer runtime.UnlockOSThread()
				thread <- unix.Gettid()
				n, err := wait(make([]syscalls.EpollEvent, 1))
				ended <- outcome{n, err}
			}()
			tid := <-thread
			giveUp := time.After(patience)
			// SIGURG means nothing to a Go program: the runtime uses it to
			// preempt, and bears strays. The first may come before the wait.
			tick := time.NewTicker(time.Millisecond)
			defer tick.Stop()
			for {
				if err := unix.Tgkill(os.Getpid(), tid, unix.SIGURG); err != nil {
					t.Fatal(err)
				}
				select {
				case got := <-ended:
					if got.n != 0 || got.err != nil {
						t.Errorf("got %d, %v, want 0, nil", got.n, got.err)
					}
					return
				case <-giveUp:
					t.Fatal("signals do not end the wait")
				case <-tick.C:
				}
			}
		})
	}
}

func TestTransfersSurviveSignals(t *testing.T) {
	countDescriptors(t)
	a, b := tcpPair(t)
	const size = 16 << 20
	thread := make(chan int, 1)
	done := make(chan struct{})
	go func() { // ends when all is written; the test reads to that end
		defer close(done)
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		thread <- unix.Gettid()
		chunk := make([]byte, 3*syscalls.RawMax)
		for sent := 0; sent < size; {
			part := chunk[:min(len(chunk)>>(sent&3), size-sent)]
			n, err := syscalls.Writev(a.fd, [][]byte{part[:len(part)/2], part[len(part)/2:]})
			if syscalls.IsRetry(err) {
				runtime.Gosched()
				continue
			}
			if err != nil {
				t.Errorf("after %d bytes: %v", sent, err)
				_ = a.Close()
				return
			}
			sent += n
		}
	}()
	tid := <-thread
	for got, buf := 0, make([]byte, 64<<10); got < size; {
		_ = unix.Tgkill(os.Getpid(), tid, unix.SIGURG) // the thread may have ended
		n, err := syscalls.Read(b.fd, buf)
		if syscalls.IsRetry(err) {
			await(t, b.fd, unix.POLLIN)
			continue
		}
		if err != nil || n == 0 {
			t.Fatalf("after %d bytes: %d, %v", got, n, err)
		}
		got += n
	}
	<-done
}

func TestEventfd(t *testing.T) {
	countDescriptors(t)
	epfd := newEpoll(t)
	fd, err := syscalls.Eventfd()
	if err != nil {
		t.Fatal(err)
	}
	defer syscalls.Close(fd)
	if err := syscalls.EpollAdd(epfd, fd, syscalls.EpollIn, 42); err != nil {
		t.Fatal(err)
	}
	events := make([]syscalls.EpollEvent, 1)
	ready := func(want int) {
		t.Helper()
		if n, err := syscalls.EpollPoll(epfd, events); n != want || err != nil {
			t.Errorf("got %d, %v, want %d ready", n, err, want)
		}
	}
	drain := func() {
		t.Helper()
		if err := syscalls.EventfdDrain(fd); err != nil {
			t.Error(err)
		}
	}
	ready(0)
	drain() // nothing there: no error, no sleep
	for range 3 {
		if err := syscalls.EventfdSignal(fd); err != nil {
			t.Fatal(err)
		}
	}
	ready(1)
	drain()
	ready(0)

	// A full counter: the signal is in already.
	full := binary.NativeEndian.AppendUint64(nil, math.MaxUint64-1)
	if _, err := unix.Write(fd, full); err != nil {
		t.Fatal(err)
	}
	if err := syscalls.EventfdSignal(fd); err != nil {
		t.Errorf("full: got %v, want nil", err)
	}
	ready(1)
	drain()
	ready(0)

	if err := syscalls.EventfdSignal(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v, want EBADF", err)
	}
	if err := syscalls.EventfdDrain(-1); !errors.Is(err, unix.EBADF) {
		t.Errorf("got %v, want EBADF", err)
	}
}

func TestEventfdWakesASleepingLoop(t *testing.T) {
	countDescriptors(t)
	epfd := newEpoll(t)
	fd, err := syscalls.Eventfd()
	if err != nil {
		t.Fatal(err)
	}
	defer syscalls.Close(fd)
	if err := syscalls.EpollAdd(epfd, fd, syscalls.EpollIn, 1); err != nil {
		t.Fatal(err)
	}
	woken := make(chan error, 1)
	go func() { // ends with the first event, which the test sends
		events := make([]syscalls.EpollEvent, 1)
		for {
			n, err := syscalls.EpollWait(epfd, events, -1)
			if n > 0 || err != nil {
				woken <- err
				return
			}
		}
	}()
	if err := syscalls.EventfdSignal(fd); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-woken:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("the loop sleeps on")
	}
}

func TestEpollAndEventfdDoNotAllocate(t *testing.T) {
	epfd := newEpoll(t)
	fd, err := syscalls.Eventfd()
	if err != nil {
		t.Fatal(err)
	}
	defer syscalls.Close(fd)
	events := make([]syscalls.EpollEvent, 8)
	noAllocs(t, "one round", func() {
		for _, err := range [...]error{
			syscalls.EpollAdd(epfd, fd, syscalls.EpollIn, 1),
			syscalls.EventfdSignal(fd),
			syscalls.EpollMod(epfd, fd, syscalls.EpollIn, 2),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if n, err := syscalls.EpollPoll(epfd, events); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := syscalls.EpollWait(epfd, events, -1); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if n, err := syscalls.EpollWaitFor(epfd, events, time.Second); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if err := syscalls.EventfdDrain(fd); err != nil {
			t.Fatal(err)
		}
		if err := syscalls.EpollDel(epfd, fd); err != nil {
			t.Fatal(err)
		}
	})
}
