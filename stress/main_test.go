package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/internal/command"
)

// asCommand is set in the environment of a test binary that is to be the command.
const asCommand = "KAFKAIO_TEST_STRESS"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// stress prepares the command in a process of its own.
func stress(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], args...)
	c.Env = append(os.Environ(), asCommand+"=1")
	return c
}

func TestInterruptDrainsAndReports(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows cannot send an interrupt to another process")
	}
	c := stress(t, "--connections", "10", "--duration", "1h")
	var stdout bytes.Buffer
	c.Stdout = &stdout
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(60*time.Second, func() { _ = c.Process.Kill() })
	defer timer.Stop()
	var lines []string
	for in := bufio.NewScanner(stderr); in.Scan(); {
		lines = append(lines, in.Text())
		if strings.Contains(in.Text(), " ok/s ") && !strings.Contains(strings.Join(lines, "\n"), "interrupted") {
			if err := c.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err != nil {
		t.Errorf("%v, want exit code 0", err)
	}
	if out := stdout.String(); !strings.Contains(out, "until it was interrupted") || !strings.Contains(out, "unanswered 0: holds") {
		t.Errorf("standard output:\n%s\nstandard error:\n%s", out, strings.Join(lines, "\n"))
	}
}

func TestExitCode(t *testing.T) {
	c := stress(t, "--connections", "0")
	out, err := c.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != command.ExitCannotStart {
		t.Errorf("%v, want exit code %d\n%s", err, command.ExitCannotStart, out)
	}
}
