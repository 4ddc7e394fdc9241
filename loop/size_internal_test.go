package loop

import (
	"testing"
	"unsafe"
)

// Memory comes in sizes, and after 512 bytes the next one is 576: ten thousand idle connections would take half a MiB more for one more field.
func TestAConnFitsItsSizeOfMemory(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("counted for 64 bits")
	}
	if n := unsafe.Sizeof(Conn{}); n > 512 {
		t.Errorf("a Conn has %d bytes, want at most 512: put what idle connections do not need behind a pointer", n)
	}
}
