package hist_test

import (
	"testing"
	"time"

	"kafkaio/stress/internal/hist"
)

func TestQuantilesOfAThousand(t *testing.T) {
	h := hist.New(hist.Fine)
	for i := 1; i <= 1000; i++ {
		h.Record(time.Duration(i) * time.Millisecond)
	}
	for _, tt := range []struct {
		q    float64
		want time.Duration
	}{
		{0, time.Millisecond},
		{0.5, 500 * time.Millisecond},
		{0.9, 900 * time.Millisecond},
		{0.99, 990 * time.Millisecond},
		{0.999, 999 * time.Millisecond},
		{1, 1000 * time.Millisecond},
	} {
		got := h.Quantile(tt.q)
		if off := (got - tt.want).Abs(); off > tt.want/1000+time.Microsecond {
			t.Errorf("Quantile(%g) = %v, want %v to 3 digits", tt.q, got, tt.want)
		}
	}
	if got, want := h.Mean(), 500500*time.Microsecond; got != want {
		t.Errorf("Mean() = %v, want %v", got, want)
	}
	if got := h.Max(); got != time.Second {
		t.Errorf("Max() = %v, want 1s", got)
	}
}

func TestEmptyIsZero(t *testing.T) {
	h := hist.New(hist.Fine)
	if h.Quantile(0.5) != 0 || h.Max() != 0 || h.Mean() != 0 || h.Count() != 0 {
		t.Errorf("empty histogram: p50 %v, max %v, mean %v, count %d; want zeros", h.Quantile(0.5), h.Max(), h.Mean(), h.Count())
	}
}

func TestQuantileNeverExceedsMax(t *testing.T) {
	h := hist.New(hist.Coarse)
	h.Record(123456 * time.Microsecond)
	if got := h.Quantile(0.5); got != h.Max() {
		t.Errorf("Quantile(0.5) of a single latency = %v, want it: %v", got, h.Max())
	}
}

func TestOutOfRangeIsCounted(t *testing.T) {
	h := hist.New(hist.Fine)
	h.Record(-time.Second)
	h.Record(0)
	h.Record(time.Nanosecond)
	for range 7 {
		h.Record(time.Hour)
	}
	h.Record(2 * time.Hour)
	if h.Count() != 11 || h.OverRange() != 8 {
		t.Fatalf("Count() = %d, OverRange() = %d; want 11 and 8", h.Count(), h.OverRange())
	}
	if got := h.Quantile(0.25); got > 2*time.Microsecond {
		t.Errorf("Quantile(0.25) = %v, want the shortest", got)
	}
	if got := h.Quantile(0.5); got != 2*time.Hour {
		t.Errorf("Quantile(0.5) = %v, want the longest, as most are over range", got)
	}
}

func TestBoundsOfTheRange(t *testing.T) {
	h := hist.New(hist.Fine)
	h.Record(60 * time.Second)
	if h.OverRange() != 0 {
		t.Error("60 s is over range, want it to be in range")
	}
	h.Record(60*time.Second + 1)
	if h.OverRange() != 1 {
		t.Error("60 s and 1 ns is in range, want it to be over")
	}
}

func TestMergeIsTheSameAsOne(t *testing.T) {
	one, a, b := hist.New(hist.Fine), hist.New(hist.Fine), hist.New(hist.Fine)
	for i := range 5000 {
		d := time.Duration(i*i) * 10 * time.Microsecond
		one.Record(d)
		if i%3 == 0 {
			a.Record(d)
		} else {
			b.Record(d)
		}
	}
	a.Merge(b)
	for _, q := range []float64{0, 0.1, 0.5, 0.9, 0.999, 1} {
		if got, want := a.Quantile(q), one.Quantile(q); got != want {
			t.Errorf("Quantile(%g) = %v after a merge, want %v", q, got, want)
		}
	}
	if a.Count() != one.Count() || a.OverRange() != one.OverRange() || a.Mean() != one.Mean() || a.Max() != one.Max() {
		t.Errorf("merged: %d, %d over, mean %v, max %v; want %d, %d, %v, %v",
			a.Count(), a.OverRange(), a.Mean(), a.Max(), one.Count(), one.OverRange(), one.Mean(), one.Max())
	}
	a.Reset()
	if a.Count() != 0 || a.Quantile(1) != 0 {
		t.Errorf("after Reset: count %d, max %v; want 0", a.Count(), a.Quantile(1))
	}
}

func TestRecordDoesNotAllocate(t *testing.T) {
	h := hist.New(hist.Fine)
	if n := testing.AllocsPerRun(1000, func() { h.Record(17 * time.Millisecond) }); n != 0 {
		t.Errorf("Record allocates %v times, want 0", n)
	}
}
