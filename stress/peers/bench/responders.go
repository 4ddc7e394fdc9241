package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/peers/internal/identity"
	"kafkaio/stress/peers/internal/report"
	"kafkaio/stress/peers/internal/work"
)

// responderKey is what tells responders apart.
type responderKey struct {
	mode       string
	fetchBytes int
	security   work.Security
	brokers    int
	busy       bool
}

// responderProcess is a running one.
type responderProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
	addrs []string
}

// loopback are the addresses that a responder listens on: each gives local
// ports of its own, and ports linger for a minute after a connection.
var loopback = []string{"127.0.0.1", "127.0.0.2", "127.0.0.3", "127.0.0.4"}

// addrs returns where the responder for a work listens, and starts it the
// first time.
func (p *parent) addrs(ctx context.Context, mode string, w work.Work) ([]string, error) {
	k := responderKey{mode, w.FetchBytes, w.Security, w.Brokers, w.Busy}
	r := p.responders[k]
	if r == nil {
		var err error
		if r, err = p.startResponder(ctx, k); err != nil {
			return nil, fmt.Errorf("responder: %w", err)
		}
		p.responders[k] = r
	}
	return r.addrs, nil
}

func (p *parent) startResponder(ctx context.Context, k responderKey) (*responderProcess, error) {
	where, err := freeAddrs()
	if k.brokers > 0 {
		where, err = responder.Loopback(k.brokers)
	}
	if err != nil {
		return nil, err
	}
	args := []string{"-responder", "-addr", strings.Join(where, ","), "-fetch", strconv.Itoa(k.fetchBytes), "-partitions", strconv.Itoa(k.brokers)}
	if k.busy {
		args = append(args, "-busy")
	}
	if k.security != work.Plaintext {
		dir, err := p.identities()
		if err != nil {
			return nil, err
		}
		args = append(args, "-tls", dir, "-security", strconv.Itoa(int(k.security)))
	}
	cmd := exec.CommandContext(ctx, p.self, args...)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := startPinned(cmd, k.mode == report.Pinned, lastCPU); err != nil {
		return nil, err
	}
	r := &responderProcess{cmd: cmd, stdin: stdin}
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var l listening
	if err == nil {
		err = json.Unmarshal(line, &l)
	}
	if err != nil {
		r.stop()
		return nil, fmt.Errorf("did not say where it listens: %w", err)
	}
	r.addrs = l.Addrs
	return r, nil
}

// stop ends a responder by the end of its input, and waits for it.
func (r *responderProcess) stop() {
	_ = r.stdin.Close()
	timer := time.AfterFunc(5*time.Second, func() { _ = r.cmd.Process.Kill() })
	_ = r.cmd.Wait()
	timer.Stop()
}

func (p *parent) stopResponders() {
	for _, r := range p.responders {
		r.stop()
	}
}

// freeAddrs finds a port that is free on all loopback addresses that this
// machine has.
func freeAddrs() ([]string, error) {
	var last error
	for range 20 {
		addrs, err := tryPort()
		if err == nil {
			return addrs, nil
		}
		last = err
	}
	return nil, last
}

func tryPort() ([]string, error) {
	first, err := net.Listen("tcp", net.JoinHostPort(loopback[0], "0"))
	if err != nil {
		return nil, err
	}
	defer func() { _ = first.Close() }()
	_, port, err := net.SplitHostPort(first.Addr().String())
	if err != nil {
		return nil, err
	}
	addrs := []string{first.Addr().String()}
	for _, host := range loopback[1:] {
		a := net.JoinHostPort(host, port)
		ln, err := net.Listen("tcp", a)
		if isAbsent(err) {
			continue // macOS has only the first
		}
		if err != nil {
			return nil, err
		}
		_ = ln.Close()
		addrs = append(addrs, a)
	}
	return addrs, nil
}

// identities is the folder with the certificates of this run, made the first
// time.
func (p *parent) identities() (string, error) {
	if p.tlsDir != "" {
		return p.tlsDir, nil
	}
	dir := filepath.Join(p.dir, "tls")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	if err := identity.Write(dir); err != nil {
		return "", err
	}
	p.tlsDir = dir
	return dir, nil
}
