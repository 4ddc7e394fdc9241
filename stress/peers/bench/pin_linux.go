package main

import (
	"fmt"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Which of the CPUs that this process may use.
const (
	firstCPU = iota
	lastCPU
)

// startPinned starts cmd, on one CPU if pinned: a process inherits the
// affinity of the thread that starts it, and Go makes GOMAXPROCS of it.
func startPinned(cmd *exec.Cmd, pinned bool, which int) error {
	if !pinned {
		return cmd.Start()
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		return fmt.Errorf("sched_getaffinity: %w", err)
	}
	var one unix.CPUSet
	for cpu := range len(all) * 64 {
		if !all.IsSet(cpu) {
			continue
		}
		if which == lastCPU {
			one.Zero()
		}
		one.Set(cpu)
		if which == firstCPU {
			break
		}
	}
	if err := unix.SchedSetaffinity(0, &one); err != nil {
		return fmt.Errorf("sched_setaffinity: %w", err)
	}
	err := cmd.Start()
	if restore := unix.SchedSetaffinity(0, &all); restore != nil {
		// The thread must not serve other goroutines like this.
		runtime.LockOSThread()
		if err == nil {
			err = fmt.Errorf("sched_setaffinity: %w", restore)
		}
	}
	return err
}
