package hold

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// runDelay is for how long the process's threads have been ready to run and had no processor, all together, where Linux tells. It says how much of a
// latency is the machine's. A thread that has ended is not in it.
func runDelay() (waited time.Duration, known bool) {
	files, err := filepath.Glob("/proc/self/task/*/schedstat")
	if err != nil {
		return 0, false
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			continue // the thread has just ended
		}
		if d, ok := delayOf(text); ok {
			waited, known = waited+d, true
		}
	}
	return waited, known
}

// delayOf reads Linux's schedstat: nanoseconds on a processor, nanoseconds waiting for one, turns.
func delayOf(schedstat []byte) (waited time.Duration, ok bool) {
	fields := bytes.Fields(schedstat)
	if len(fields) < 2 {
		return 0, false
	}
	n, err := strconv.ParseInt(string(fields[1]), 10, 64)
	return time.Duration(n), err == nil
}
