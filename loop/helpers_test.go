package loop_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/internal/leak"
	"kafkaio/loop"
)

// patience is how long a test waits for what must happen. Guessed: more than a busy machine needs under the race detector, and spent only by tests that fail.
const patience = 30 * time.Second

// drivers are the implementations that this platform has.
func drivers() []loop.Driver {
	if runtime.GOOS == "linux" {
		return []loop.Driver{loop.DriverEpoll, loop.DriverGnet}
	}
	return []loop.Driver{loop.DriverGnet}
}

// eachDriver runs a test on an engine of its own for each driver, and checks that nothing is left behind.
func eachDriver(t *testing.T, test func(t *testing.T, e *loop.Engine)) {
	t.Helper()
	eachDriverWith(t, loop.Config{}, test)
}

// eachDriverWith is eachDriver with engines of this configuration, but for driver and loops.
func eachDriverWith(t *testing.T, cfg loop.Config, test func(t *testing.T, e *loop.Engine)) {
	t.Helper()
	for _, d := range drivers() {
		t.Run(d.String(), func(t *testing.T) {
			leak.Check(t, leak.Gauge("pooled entries and buffers, bytes in budgets", loop.Outstanding))
			cfg.Driver, cfg.Loops = d, 2
			e, err := loop.Start(cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := e.Stop(); err != nil {
					t.Errorf("Stop: %v", err)
				}
				if n := e.Conns(); n != 0 {
					t.Errorf("after Stop, %d connections are counted, want 0", n)
				}
			})
			test(t, e)
		})
	}
}

func dial(t *testing.T, e *loop.Engine, addr string, limits loop.Limits) *loop.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := e.Dial(ctx, addr, loop.DialConfig{Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func dialStream(t *testing.T, e *loop.Engine, addr string) *loop.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s, err := e.DialStream(ctx, addr, loop.DialConfig{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request is a header of version 0 with the caller's correlation id, and a body.
func request(id int32, body []byte) []byte {
	r := make([]byte, 8, 8+len(body))
	binary.BigEndian.PutUint32(r[4:], uint32(id))
	return append(r, body...)
}

// mirror answers a request with its own body.
func mirror(request []byte) []byte { return request[8:] }

// checkMirrored fails the test unless the answer carries the id and the body of the request.
func checkMirrored(t *testing.T, request, response []byte) {
	t.Helper()
	if len(response) < 4 || !bytes.Equal(response[:4], request[4:8]) || !bytes.Equal(response[4:], request[8:]) {
		t.Errorf("answer to request %x… is %x… (%d bytes), want its id and body (%d bytes)", request[4:min(16, len(request))], response[:min(12, len(response))], len(response), len(request)-4)
	}
}

// body is n bytes that differ from one seed to the next.
func body(seed, n int) []byte {
	b := make([]byte, n+8)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := 0; i < n; i += 8 { // eight at once: under the race detector, megabytes of single bytes take longer than what is tested
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(b[i:], x)
	}
	return b[:n:n]
}

// within fails the test unless f returns in time.
func within(t *testing.T, d time.Duration, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(d):
		t.Fatalf("%s did not end within %v", what, d)
	}
}

// eventually polls until ok, or fails the test.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, patience)
		}
		<-time.After(time.Millisecond)
	}
}

// stalls measures for how long this machine keeps goroutines from running that have something to do: by how much the worst of many short timers was late
// until stop. No deadline can be kept more exactly than that, for each of the goroutines that hand over to one another until a call has ended (timer, loop,
// writer, caller, and those that they hold up): stop gives the sum.
func stalls() (stop func() time.Duration) {
	const tick, handovers = time.Millisecond, 10
	over, worst := make(chan struct{}), make(chan time.Duration)
	go func() { // ends with stop, which waits for it
		var most time.Duration
		for {
			began := time.Now()
			select {
			case <-over:
				worst <- max(most, time.Since(began)-tick)
				return
			case <-time.After(tick):
				most = max(most, time.Since(began)-tick)
			}
		}
	}()
	return func() time.Duration { close(over); return handovers * <-worst }
}

// ends counts how often each of n requests has ended.
type ends struct {
	mu    sync.Mutex
	times map[string]int
	wg    sync.WaitGroup
}

func (e *ends) expect(name string) {
	e.mu.Lock()
	if e.times == nil {
		e.times = make(map[string]int)
	}
	e.times[name] += 0
	e.mu.Unlock()
	e.wg.Add(1)
}

func (e *ends) end(name string) {
	e.mu.Lock()
	e.times[name]++
	first := e.times[name] == 1
	e.mu.Unlock()
	if first {
		e.wg.Done()
	}
}

func (e *ends) check(t *testing.T) {
	t.Helper()
	within(t, 2*patience, "all requests", e.wg.Wait)
	e.mu.Lock()
	defer e.mu.Unlock()
	for name, n := range e.times {
		if n != 1 {
			t.Errorf("request %s has ended %d times, want once", name, n)
		}
	}
}

func hostileBroker(t *testing.T, scripts ...hostile.Script) *hostile.Broker {
	t.Helper()
	return hostile.Listen(t, scripts...)
}

func name(parts ...any) string { return fmt.Sprint(parts...) }
