package loop

import (
	"testing"
	"unsafe"
)

// TestAnEpollConnStaysInItsSizeClass: the next one of Go's allocator is 16 bytes more for each idle connection.
func TestAnEpollConnStaysInItsSizeClass(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("the figure is of 64-bit systems")
	}
	if n := unsafe.Sizeof(epollConn{}); n > 176 {
		t.Errorf("an epollConn is %d bytes, want 176 at most", n)
	}
}
