package kio

import (
	"testing"
	"unsafe"
)

// Memory comes in sizes, and after 208 bytes the next one is 224: ten thousand idle brokers would each take more for one more field.
func TestABrokerFitsItsSizeOfMemory(t *testing.T) {
	if unsafe.Sizeof(uintptr(0)) != 8 {
		t.Skip("counted for 64 bits")
	}
	if n := unsafe.Sizeof(Broker{}); n > 208 {
		t.Errorf("a Broker has %d bytes, want at most 208: put what idle connections do not need behind a pointer", n)
	}
}
