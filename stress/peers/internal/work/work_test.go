package work_test

import (
	"encoding/binary"
	"testing"

	"kafkaio/stress/peers/internal/work"
)

func TestFramesAreOfTheStatedSize(t *testing.T) {
	for _, w := range work.All {
		b := w.Frame()
		if got := int(binary.BigEndian.Uint32(b)); got != len(b)-4 {
			t.Errorf("%s: prefix says %d, frame has %d", w.Name, got, len(b)-4)
		}
		if w.FetchBytes == 0 && len(b) != 64 {
			t.Errorf("%s: request of %d bytes, want 64", w.Name, len(b))
		}
	}
}

func TestDefaultPeersCanDoTheirWork(t *testing.T) {
	seen := map[string]bool{}
	for _, w := range work.All {
		if seen[w.Name] {
			t.Errorf("%s is there twice", w.Name)
		}
		seen[w.Name] = true
		for _, peers := range [][]string{w.Pinned, w.Unpinned} {
			for _, p := range peers {
				if !w.Can(p) {
					t.Errorf("%s cannot do %s", p, w.Name)
				}
			}
		}
	}
}
