package kio

import (
	"math"
	"testing"
)

func TestTablesOfTheSameContentAreOne(t *testing.T) {
	a := newVersionTable([]versionRange{{18, 0, 4}, {3, 0, 13}, {1, 4, 17}})
	b := newVersionTable([]versionRange{{1, 4, 17}, {3, 0, 13}, {18, 0, 4}})
	if a != b {
		t.Error("two tables of the same content differ")
	}
	if c := newVersionTable([]versionRange{{1, 4, 17}, {3, 0, 12}, {18, 0, 4}}); a == c {
		t.Error("two tables of different content are the same")
	}
	if !newVersionTable(nil).empty() || !newPins(nil).empty() {
		t.Error("a table of nothing is not empty")
	}
}

func TestTablesFindWhatIsInThem(t *testing.T) {
	ranges := []versionRange{{math.MaxInt16, 1, 2}, {-7, 3, 4}, {0, 0, math.MaxInt16}, {5, -1, 9}, {0, 8, 8}}
	table := newVersionTable(ranges)
	for _, want := range ranges[:4] { // of two the first holds
		if got, ok := table.find(want.key); !ok || got != want {
			t.Errorf("find(%d) = %v, %t; want %v", want.key, got, ok, want)
		}
	}
	for _, key := range []int16{-8, -6, 1, 4, 6, math.MaxInt16 - 1} {
		if got, ok := table.find(key); ok {
			t.Errorf("find(%d) = %v, want nothing", key, got)
		}
	}
	if _, ok := (versionTable{}).find(0); ok {
		t.Error("the empty table has something in it")
	}
}

func TestSoftwareVersionIsOneThatBrokersTake(t *testing.T) {
	if v := softwareVersion(); !isSoftwareName(v) {
		t.Errorf("version %q would be refused by brokers", v)
	}
}

// Whatever a peer answers, parsing costs no more than the bytes that are there.
func FuzzOpeningAnswers(f *testing.F) {
	f.Add([]byte{0, 0, 2, 0, 18, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0}, int16(3))
	f.Add([]byte{0, 35, 0, 0, 0, 1, 0, 18, 0, 0, 0, 2}, int16(3))
	f.Add([]byte{0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, int16(2))
	f.Add([]byte{0, 58, 0, 2, 'n', 'o', 0, 0, 0, 0}, int16(0))
	f.Add([]byte{0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, int16(2))
	f.Fuzz(func(t *testing.T, b []byte, version int16) {
		_, ranges, _, err := parseApiVersions(b, version)
		if len(ranges)*rangeBytes > len(b) {
			t.Errorf("%d ranges out of %d bytes", len(ranges), len(b))
		}
		if err != nil && ranges != nil {
			t.Errorf("%v, and ranges", err)
		}
		_, message, token, _, _ := parseSASLAuthenticate(b, version)
		if len(message)+len(token) > len(b) {
			t.Errorf("%d bytes of text and %d of token out of %d", len(message), len(token), len(b))
		}
	})
}
