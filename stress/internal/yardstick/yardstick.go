package yardstick

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

//go:embed yardstick.c
var source []byte

// ErrNoCompiler says that there is no cc; the rows of C are then left out.
var ErrNoCompiler = errors.New("no C compiler (cc) found")

// Build compiles the program into dir and returns its path.
func Build(ctx context.Context, dir string) (string, error) {
	cc, err := exec.LookPath("cc")
	if err != nil {
		return "", ErrNoCompiler
	}
	src, bin := filepath.Join(dir, "yardstick.c"), filepath.Join(dir, "yardstick")
	if err := os.WriteFile(src, source, 0o600); err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, cc, "-O2", "-Wall", "-o", bin, src).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("cc: %w\n%s", err, out)
	}
	return bin, nil
}

// Modes of the program, as the comment at its beginning explains them.
const (
	Spin      = "spin"
	Block     = "block"
	EpollMany = "epoll-many"
	EpollPipe = "epoll-pipe"
	RestMany  = "rest-many"
	RestPipe  = "rest-pipe"
	RawRead   = "rawread"
)

// Run is one measurement.
type Run struct {
	Mode   string
	Count  int    // of connections, or of requests in flight
	Frame  []byte // the request with its size prefix
	Addrs  []string
	WarmUp time.Duration // done but not counted
	Window time.Duration
}

// Args is the command line of a run.
func (r Run) Args() []string {
	sec := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
	return append([]string{r.Mode, sec(r.Window), sec(r.WarmUp), strconv.Itoa(r.Count), hex.EncodeToString(r.Frame)}, r.Addrs...)
}

// Result is what a run has measured: the line that the program prints.
type Result struct {
	Requests    uint64  `json:"requests"`
	Seconds     float64 `json:"seconds"`
	CPUSeconds  float64 `json:"cpu_seconds"` // user and system
	Samples     uint64  `json:"samples"`
	P50         float64 `json:"p50_us"`
	P99         float64 `json:"p99_us"`
	P999        float64 `json:"p999_us"`
	Max         float64 `json:"max_us"`
	AnswerBytes int     `json:"answer_bytes"` // size of an answer with its prefix
}

// Parse reads the program's line.
func Parse(out []byte) (Result, error) {
	var r Result
	if err := json.Unmarshal(bytes.TrimSpace(out), &r); err != nil {
		return r, fmt.Errorf("yardstick printed %q: %w", strings.TrimSpace(string(out)), err)
	}
	return r, nil
}
