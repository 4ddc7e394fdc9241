package kioprom

import (
	"reflect"
	"testing"

	"kafkaio/kio"
)

// node is a snapshot of one with counts.
func node(id int32, addr string, dials, requests, timeouts uint64) kio.NodeStats {
	n := kio.NodeStats{Node: kio.Node{ID: id, Addr: addr}, Dials: dials}
	n.Totals.Requests, n.Totals.Errors[kio.ErrorTimeout] = requests, timeouts
	return n
}

func TestSumsOfAClusterNeverFall(t *testing.T) {
	var h history
	for i, tt := range []struct {
		name            string
		nodes           []kio.NodeStats
		dials, requests float64
		timeouts        uint64
		known           int
	}{
		{"none", nil, 0, 0, 0, 0},
		{"two", []kio.NodeStats{node(0, "a", 2, 10, 1), node(1, "b", 1, 20, 0)}, 3, 30, 1, 2},
		{"they go on", []kio.NodeStats{node(0, "a", 2, 15, 2), node(1, "b", 1, 25, 0)}, 3, 40, 2, 2},
		{"one leaves", []kio.NodeStats{node(0, "a", 2, 15, 2)}, 3, 40, 2, 1},
		{"and comes back", []kio.NodeStats{node(0, "a", 2, 15, 2), node(1, "b", 1, 5, 0)}, 4, 45, 2, 2},
		{"one moves", []kio.NodeStats{node(0, "c", 1, 1, 0), node(1, "b", 1, 5, 0)}, 5, 46, 2, 2},
		{"one was away between scrapes", []kio.NodeStats{node(0, "c", 1, 1, 0), node(1, "b", 0, 2, 0)}, 5, 48, 2, 2},
		{"a count that falls a little", []kio.NodeStats{node(0, "c", 1, 0, 0), node(1, "b", 0, 2, 0)}, 5, 48, 2, 2},
		{"all leave", nil, 5, 48, 2, 0},
	} {
		h.turn(tt.nodes)
		s := h.sum()
		dials, requests, timeouts := s.values[at("dials_total")], s.values[at("requests_total")], s.errors[kio.ErrorTimeout]
		if dials != tt.dials || requests != tt.requests || timeouts != tt.timeouts || len(h.nodes) != tt.known {
			t.Errorf("%d, %s: %v dials, %v requests, %v timeouts of %d nodes; want %+v", i, tt.name, dials, requests, timeouts, len(h.nodes), tt)
		}
	}
}

func TestNodeCountsHaveRoomForAllCounters(t *testing.T) {
	if got := len(nodeCounts{}.values); got != len(nodeCounters) {
		t.Errorf("room for %d counters, want %d", got, len(nodeCounters))
	}
}

// Each field of Totals has a metric, but for those that are sums of classes of errors.
func TestTotalsAreComplete(t *testing.T) {
	var one kio.Totals
	v := reflect.ValueOf(&one).Elem()
	told := func() float64 {
		sum := 0.0
		for _, m := range append(totalGauges[:len(totalGauges):len(totalGauges)], totalCounters...) {
			sum += m.value(&one)
		}
		return sum
	}
	for i := range v.NumField() {
		one = kio.Totals{}
		switch f := v.Field(i); f.Kind() {
		case reflect.Int:
			f.SetInt(1)
		case reflect.Uint64:
			f.SetUint(1)
		case reflect.Array:
			continue
		default:
			t.Fatalf("kio.Totals.%s is a %s", v.Type().Field(i).Name, f.Kind())
		}
		want := 1.0
		switch v.Type().Field(i).Name {
		case "Failed", "GaveUp", "Timeouts", "Refused":
			want = 0
		}
		if got := told(); got != want {
			t.Errorf("kio.Totals.%s stands in %v metrics, want %v", v.Type().Field(i).Name, got, want)
		}
	}
}
