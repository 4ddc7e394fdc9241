//go:build race && (linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package syscalls

import (
	"runtime"
	"unsafe"
)

// raceRead tells the race detector that the kernel reads b.
func raceRead(b []byte) {
	if len(b) > 0 {
		runtime.RaceReadRange(unsafe.Pointer(unsafe.SliceData(b)), len(b))
	}
}

// raceWrite tells the race detector that the kernel wrote b.
func raceWrite(b []byte) {
	if len(b) > 0 {
		runtime.RaceWriteRange(unsafe.Pointer(unsafe.SliceData(b)), len(b))
	}
}
