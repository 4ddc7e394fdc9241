package hold

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
)

// Footprint is what the process takes at a moment.
type Footprint struct {
	Resident   uint64 // bytes; 0 where the system does not tell
	Heap       uint64 // bytes in use
	Stacks     uint64 // bytes in use
	Goroutines int
}

// look takes a footprint as it is.
func look() Footprint {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return Footprint{Resident: resident(), Heap: m.HeapInuse, Stacks: m.StackInuse, Goroutines: runtime.NumGoroutine()}
}

// weigh takes a footprint after all garbage is gone and given back.
func weigh() Footprint {
	debug.FreeOSMemory()
	debug.FreeOSMemory() // what the first one finalized
	return look()
}

// resident is the process's resident memory, 0 where /proc does not tell.
func resident() uint64 {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	return residentOf(statm, os.Getpagesize())
}

// residentOf reads Linux's statm: sizes in pages, the second is what is resident.
func residentOf(statm []byte, pageSize int) uint64 {
	fields := bytes.Fields(statm)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseUint(string(fields[1]), 10, 63)
	if err != nil {
		return 0
	}
	return pages * uint64(pageSize)
}

// peak is the most that was seen.
type peak struct {
	resident   uint64
	goroutines int
}

// see looks at what may have grown. It does not stop the world.
func (p *peak) see() {
	p.resident = max(p.resident, resident())
	p.goroutines = max(p.goroutines, runtime.NumGoroutine())
}
