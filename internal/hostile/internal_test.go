package hostile

import (
	"bytes"
	"encoding/binary"
	"io"
	"strings"
	"testing"
)

func TestReadRequestRefusesSizes(t *testing.T) {
	for _, size := range []int32{-1 << 31, -1, 0, minRequestBytes - 1, MaxRequestBytes + 1, 1<<31 - 1} {
		prefix := binary.BigEndian.AppendUint32(nil, uint32(size))
		if _, err := readRequest(bytes.NewReader(prefix)); err == nil || !strings.Contains(err.Error(), "outside") {
			t.Errorf("size %d: error %v; want a refusal", size, err)
		}
	}
}

func TestReadRequestAllocatesWhatArrives(t *testing.T) {
	prefix := binary.BigEndian.AppendUint32(nil, MaxRequestBytes)
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := readRequest(bytes.NewReader(prefix)); err == nil {
				b.Fatal("a request that never came was read")
			}
		}
	})
	if got := result.AllocedBytesPerOp(); got > 4096 {
		t.Errorf("%d bytes allocated for a request that never came; want no more than 4096", got)
	}
}

func TestReadRequestKeepsItsPlace(t *testing.T) {
	r := strings.NewReader("\x00\x00\x00\x08\x00\x12\x00\x00\x00\x00\x00\x2anext")
	request, err := readRequest(r)
	if err != nil || correlation(request) != 42 {
		t.Fatalf("request %q, %v; want correlation id 42", request, err)
	}
	if rest, _ := io.ReadAll(r); string(rest) != "next" {
		t.Errorf("%q left; want %q", rest, "next")
	}
}
