package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"kafkaio/stress/peers/internal/report"
)

// writeMachine writes what a figure is worth nothing without.
func writeMachine(out io.Writer, style report.Style) error {
	lines := []string{
		fmt.Sprintf("CPU: %s, %d", cpuModel(), runtime.NumCPU()),
		"kernel: " + kernel(),
		"Go: " + strings.TrimPrefix(runtime.Version(), "go"),
		"commit: " + commit(),
	}
	for _, l := range lines {
		if style == report.Markdown {
			l = "- " + l
		}
		if _, err := fmt.Fprintln(out, l); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintln(out)
	return err
}

func cpuModel() string {
	b, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return runtime.GOARCH
	}
	for line := range bytes.Lines(b) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return runtime.GOARCH
}

func kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return runtime.GOOS
	}
	return unix.ByteSliceToString(u.Sysname[:]) + " " + unix.ByteSliceToString(u.Release[:])
}

// commit is that of the checkout that the command runs in.
func commit() string {
	git := func(args ...string) (string, error) {
		b, err := exec.Command("git", append([]string{"--no-optional-locks"}, args...)...).Output()
		return strings.TrimSpace(string(b)), err
	}
	id, err := git("rev-parse", "--short", "HEAD")
	if err != nil {
		return "unknown"
	}
	if changed, err := git("status", "--porcelain"); err != nil || changed != "" {
		id += ", with changes"
	}
	return id
}

// isAbsent says that this machine does not have an address.
func isAbsent(err error) bool { return errors.Is(err, syscall.EADDRNOTAVAIL) }
