//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import (
	"math"
	"testing"
	"time"
)

func TestRoundUp(t *testing.T) {
	for _, c := range []struct {
		d, unit time.Duration
		want    int
		ok      bool
	}{
		{0, time.Second, 0, true},
		{1, time.Second, 1, true},
		{time.Second, time.Second, 1, true},
		{time.Second + 1, time.Second, 2, true},
		{500 * time.Microsecond, time.Millisecond, 1, true},
		{math.MaxInt32 * time.Millisecond, time.Millisecond, math.MaxInt32, true},
		{math.MaxInt32*time.Millisecond + 1, time.Millisecond, 0, false},
		{-1, time.Millisecond, 0, false},
	} {
		got, ok := roundUp(c.d, c.unit)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%v in %v: got %d, %v, want %d, %v", c.d, c.unit, got, ok, c.want, c.ok)
		}
	}
}

func TestFromRlimKnowsEveryInfinity(t *testing.T) {
	for _, c := range []struct{ n, want uint64 }{
		{0, 0},
		{1024, 1024},
		{math.MaxInt64 - 1, math.MaxInt64 - 1},
		{math.MaxInt64, math.MaxUint64},
		{math.MaxUint64, math.MaxUint64},
	} {
		if got := fromRlim(c.n); got != c.want {
			t.Errorf("%d: got %d, want %d", c.n, got, c.want)
		}
	}
}
