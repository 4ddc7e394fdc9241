package hold

import (
	"bytes"
	"maps"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
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

// watch is what was seen from time to time. The zero value has seen nothing.
type watch struct {
	resident   uint64 // the most
	goroutines int    // the most
	times      map[int]uint64
	looks      uint64
}

// see looks at what may have grown. It does not stop the world.
func (w *watch) see() {
	w.resident = max(w.resident, resident())
	w.count(runtime.NumGoroutine())
}

func (w *watch) count(goroutines int) {
	if w.times == nil {
		w.times = make(map[int]uint64)
	}
	w.times[goroutines]++
	w.looks++
	w.goroutines = max(w.goroutines, goroutines)
}

// median is the number of goroutines that was not exceeded half of the time.
func (w *watch) median() int {
	seen := uint64(0)
	for _, n := range slices.Sorted(maps.Keys(w.times)) {
		if seen += w.times[n]; 2*seen >= w.looks {
			return n
		}
	}
	return 0
}
