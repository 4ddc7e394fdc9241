//go:build !race

package kio

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// The race detector allocates on its own account, so that this runs without it.
func TestChoosingAVersionAllocatesNothing(t *testing.T) {
	ranges := make([]versionRange, 80)
	for i := range ranges {
		ranges[i] = versionRange{int16(i), 0, 12}
	}
	b := &Broker{versions: newVersionTable(ranges), pins: newPins(map[int16]int16{1: 9})}
	r := kmsg.NewPtrFetchRequest()
	r.Topics = []kmsg.FetchRequestTopic{{Topic: "t"}}
	got := testing.AllocsPerRun(200, func() {
		if v, err := b.chooseVersion(r); v != 9 || err != nil {
			t.Fatalf("version %d, %v; want 9", v, err)
		}
	})
	if got != 0 {
		t.Errorf("choosing a version allocates %v times, want never", got)
	}
}

func BenchmarkChooseVersion(b *testing.B) {
	ranges := make([]versionRange, 80)
	for i := range ranges {
		ranges[i] = versionRange{int16(i), 0, 12}
	}
	broker := &Broker{versions: newVersionTable(ranges)}
	r := kmsg.NewPtrFetchRequest()
	r.Topics = []kmsg.FetchRequestTopic{{Topic: "t"}}
	b.ReportAllocs()
	for b.Loop() {
		_, _ = broker.chooseVersion(r)
	}
}
