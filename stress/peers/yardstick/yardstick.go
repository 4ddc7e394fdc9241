// Package yardstick builds and runs the C program that the Go clients are
// held against. Its source is part of the binary; it needs cc.
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

	"kafkaio/stress/peers/internal/work"
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

// Args is the command line of a mode for a work. frame is the request with
// its size prefix.
func Args(mode string, w work.Work, d work.Durations, frame []byte, addrs []string) []string {
	sec := func(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }
	return append([]string{
		mode, sec(d.Window), sec(d.WarmUp), strconv.Itoa(max(w.Conns, w.Callers)), hex.EncodeToString(frame),
	}, addrs...)
}

// Parse reads the program's line.
func Parse(out []byte) (work.Result, error) {
	var r work.Result
	if err := json.Unmarshal(bytes.TrimSpace(out), &r); err != nil {
		return r, fmt.Errorf("yardstick printed %q: %w", strings.TrimSpace(string(out)), err)
	}
	return r, nil
}
