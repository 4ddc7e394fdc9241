package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	propertiesFile = "server.properties"
	logFile        = "node.log"

	// pollEvery is how often a state is looked for that nothing tells of.
	pollEvery = 100 * time.Millisecond
	// stopLimit is how long a node may take to stop when it is asked to.
	stopLimit = 60 * time.Second
	// killLimit is how long the system may take to end a killed process.
	killLimit = 10 * time.Second
)

func (n *Node) properties() string { return filepath.Join(n.Dir, propertiesFile) }

// Log is the path of the node's log.
func (n *Node) Log() string { return filepath.Join(n.Dir, logFile) }

// start starts the JVM of a node in a session of its own, so that it outlives this process and its terminal, and notes its id.
func (s *State) start(n *Node) error {
	log, err := os.OpenFile(n.Log(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	cmd := exec.Command(s.Java[0], append(s.Java[1:len(s.Java):len(s.Java)], n.properties())...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = n.Dir, log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("node %d: %w", n.ID, err)
	}
	n.PID = cmd.Process.Pid
	// Nobody waits for it: one that ends while this process lives stays a zombie until then, and does not count as running.
	if err := cmd.Process.Release(); err != nil {
		return err
	}
	return s.save()
}

// Running reports whether the node's process is there and is the node: its command line names its properties.
func (n *Node) Running() bool {
	if n.PID <= 0 || n.Dir == "" {
		return false
	}
	return bytes.Contains(commandLine(n.PID), []byte(n.properties()))
}

// commandLine is that of a process, empty if there is none or it is a zombie. On Linux it is empty too for a moment while a process begins, so it is
// read some times before that is believed.
func commandLine(pid int) []byte {
	file := filepath.Join("/proc", strconv.Itoa(pid), "cmdline")
	for range 20 {
		line, err := os.ReadFile(file)
		switch {
		case err == nil && len(line) > 0:
			return line
		case err == nil:
			time.Sleep(5 * time.Millisecond)
			continue
		}
		if _, err := os.Stat("/proc/self/cmdline"); err == nil {
			return nil
		}
		// Not Linux.
		line, _ = exec.Command("ps", "-ww", "-o", "command=", "-p", strconv.Itoa(pid)).Output()
		return line
	}
	return nil
}

// signal sends a signal to the node's process if it is there.
func (n *Node) signal(sig syscall.Signal) error {
	if !n.Running() {
		return nil
	}
	err := syscall.Kill(n.PID, sig)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// awaitEnd waits until the node's process is gone.
func (n *Node) awaitEnd(ctx context.Context, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for n.Running() {
		if err := pause(ctx); err != nil {
			return fmt.Errorf("node %d (process %d) did not end within %v: %w", n.ID, n.PID, limit, err)
		}
	}
	return nil
}

func pause(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(pollEvery):
		return nil
	}
}

// Stop asks a node to stop, as an operator would, and waits until it has.
func (s *State) Stop(ctx context.Context, id int32) error {
	n, err := s.Node(id)
	if err != nil {
		return err
	}
	if err := n.signal(syscall.SIGTERM); err != nil {
		return err
	}
	return n.awaitEnd(ctx, stopLimit)
}

// Kill ends a node as a power cut would.
func (s *State) Kill(ctx context.Context, id int32) error {
	n, err := s.Node(id)
	if err != nil {
		return err
	}
	if err := n.signal(syscall.SIGKILL); err != nil {
		return err
	}
	return n.awaitEnd(ctx, killLimit)
}

// Start starts a node that was stopped or killed and waits until it answers again and all nodes know each other.
func (s *State) Start(ctx context.Context, id int32) error {
	n, err := s.Node(id)
	switch {
	case err != nil:
		return err
	case !s.Owned():
		return errors.New("this cluster was not started here and cannot be restarted")
	case n.Running():
		return fmt.Errorf("node %d runs already", id)
	}
	if err := s.start(n); err != nil {
		return err
	}
	return s.awaitReady(ctx)
}

// LastLines is the end of the node's log, for an error.
func (n *Node) LastLines() string {
	b, err := os.ReadFile(n.Log())
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-12):], "\n")
}
