package leak

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// descriptorFolder lists the open descriptors of this process as links to what
// they refer to (proc_pid_fd(5)). Only Linux has it.
const descriptorFolder = "/proc/self/fd"

// descriptors maps an open descriptor to what it refers to, such as
// "socket:[12345]" or "/dev/null". A nil map means that the system does not
// tell.
type descriptors map[int]string

// openDescriptors returns the descriptors that are open now, without the one
// it needs itself for looking.
func openDescriptors() descriptors {
	entries, err := os.ReadDir(descriptorFolder)
	if err != nil {
		return nil
	}
	open := make(descriptors, len(entries))
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// The descriptor of the folder itself is closed by now and has no
		// link any more, or belongs to somebody else, which the next poll sees.
		if target, err := os.Readlink(filepath.Join(descriptorFolder, entry.Name())); err == nil {
			open[fd] = target
		}
	}
	return open
}

// minus lists what is open in d and was not in start, one line for each
// descriptor. A file that was closed and opened again under another number is
// not new; a socket always is, because its name holds its inode.
func (d descriptors) minus(start descriptors) []string {
	moved := make(map[string]int) // targets of start that are not under their old number
	for fd, target := range start {
		if d[fd] != target {
			moved[target]++
		}
	}
	var left []string
	for _, fd := range slices.Sorted(maps.Keys(d)) {
		target := d[fd]
		switch {
		case start[fd] == target:
		case moved[target] > 0:
			moved[target]--
		default:
			left = append(left, fmt.Sprintf("%d -> %s", fd, target))
		}
	}
	return left
}

// wakePoller makes the runtime open the descriptors of its network poller,
// which it keeps for the life of the process: opened in the middle of a test
// they would look like a leak.
func wakePoller() {
	r, w, err := os.Pipe()
	if err != nil {
		return
	}
	_ = r.Close()
	_ = w.Close()
}
