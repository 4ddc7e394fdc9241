//go:build !linux

package main

import (
	"errors"
	"os/exec"
)

// Which of the CPUs that this process may use.
const (
	firstCPU = iota
	lastCPU
)

// startPinned starts cmd; pinning needs Linux.
func startPinned(cmd *exec.Cmd, pinned bool, _ int) error {
	if pinned {
		return errors.New("mode pinned needs Linux; use -modes unpinned")
	}
	return cmd.Start()
}
