package leak_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/internal/leak"
)

// recorder is a testing.TB that keeps failures and cleanups for itself. Any
// method that it does not have panics.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()          {}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

// end runs the cleanups as testing does and returns the text of all failures.
func (r *recorder) end() string {
	for _, f := range slices.Backward(r.cleanups) {
		f()
	}
	return strings.Join(r.failures, "\n")
}

// lonelyGoroutine has a name to be found in the report.
func lonelyGoroutine(end <-chan struct{}) { <-end }

func TestCheckFindsAGoroutine(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	r := &recorder{}
	leak.Check(r, leak.Patience(0))
	go lonelyGoroutine(end)
	if got := r.end(); !strings.Contains(got, "lonelyGoroutine") {
		t.Errorf("failures %q; want the stack of lonelyGoroutine", got)
	}
}

func TestCheckIgnoresWhatItIsTold(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	r := &recorder{}
	leak.Check(r, leak.Patience(0), leak.IgnoreGoroutine("kafkaio/internal/leak_test.lonelyGoroutine"))
	go lonelyGoroutine(end)
	if got := r.end(); got != "" {
		t.Errorf("failures %q; want none", got)
	}
}

func TestCheckIgnoresEarlierGoroutines(t *testing.T) {
	end := make(chan struct{})
	defer close(end)
	go lonelyGoroutine(end)
	r := &recorder{}
	leak.Check(r, leak.Patience(0))
	if got := r.end(); got != "" {
		t.Errorf("failures %q; want none", got)
	}
}

func TestCheckFindsASocket(t *testing.T) {
	needDescriptors(t)
	r := &recorder{}
	leak.Check(r, leak.Patience(0))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if got := r.end(); !strings.Contains(got, "1 descriptors left open") || !strings.Contains(got, "socket:[") {
		t.Errorf("failures %q; want one socket", got)
	}
}

func TestCheckFindsAFileByName(t *testing.T) {
	needDescriptors(t)
	path := filepath.Join(t.TempDir(), "forgotten")
	r := &recorder{}
	leak.Check(r, leak.Patience(0))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if got := r.end(); !strings.Contains(got, "/forgotten") {
		t.Errorf("failures %q; want the name of the file", got)
	}
}

func TestCheckFindsASocketThatReplacedAnother(t *testing.T) {
	needDescriptors(t)
	old, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{}
	leak.Check(r, leak.Patience(0))
	_ = old.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	if got := r.end(); !strings.Contains(got, "socket:[") {
		t.Errorf("failures %q; want the socket, although the count is the same", got)
	}
}

func TestCheckComparesGauges(t *testing.T) {
	for _, change := range []int64{-1, 0, 1} {
		var buffers atomic.Int64
		buffers.Store(7)
		r := &recorder{}
		leak.Check(r, leak.Patience(0), leak.Gauge("pooled buffers", buffers.Load))
		buffers.Add(change)
		got, want := r.end(), fmt.Sprintf("pooled buffers: %d, at the start 7", 7+change)
		if (change != 0) != strings.Contains(got, want) {
			t.Errorf("change %d: failures %q", change, got)
		}
	}
}

func TestCheckWaitsForALateEnd(t *testing.T) {
	r := &recorder{}
	leak.Check(r)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	end := make(chan struct{})
	time.AfterFunc(50*time.Millisecond, func() {
		_ = ln.Close()
		close(end)
	})
	go lonelyGoroutine(end)
	if got := r.end(); got != "" {
		t.Errorf("failures %q; want none, because all ended within the patience", got)
	}
}

func TestCheckLooksAfterTheCleanupsOfTheTest(t *testing.T) {
	r := &recorder{}
	leak.Check(r, leak.Patience(0))
	end := make(chan struct{})
	go lonelyGoroutine(end)
	r.Cleanup(func() { close(end) })
	if got := r.end(); got != "" {
		t.Errorf("failures %q; want none", got)
	}
}

func TestCheckPassesAPlainTest(t *testing.T) {
	leak.Check(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = ln.Close()
}

func needDescriptors(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("descriptors are read on Linux only")
	}
}
