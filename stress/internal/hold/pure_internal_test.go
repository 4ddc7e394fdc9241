package hold

import (
	"math"
	"testing"
	"time"
)

func TestScheduleAsksEachConnectionOnceAPeriod(t *testing.T) {
	s := schedule{begin: time.Unix(1000, 0), every: 5 * time.Second, brokers: 1000, connections: 10_000}
	const node = 7
	asked := 0
	for k := range int64(10_000) {
		if got, want := s.due(k).Sub(s.begin), time.Duration(k)*500*time.Microsecond; got != want {
			t.Fatalf("request %d is due after %v, want %v", k, got, want)
		}
		if s.node(k) == node {
			asked++
		}
	}
	if asked != 10 {
		t.Errorf("broker %d is asked %d times in a period, want 10: once for each connection", node, asked)
	}
	if got := s.due(10_000); !got.Equal(s.begin.Add(s.every)) {
		t.Errorf("the second round begins at %v, want one period after the first", got)
	}
}

func TestScheduleBefore(t *testing.T) {
	s := schedule{begin: time.Unix(0, 0), every: 5 * time.Second, brokers: 3, connections: 7}
	for _, d := range []time.Duration{1, time.Second, 3333 * time.Millisecond, 5*time.Second - 1, 5 * time.Second, 5*time.Second + 1, 11 * time.Second} {
		n := s.before(d)
		if last, next := s.due(n-1).Sub(s.begin), s.due(n).Sub(s.begin); last >= d || next < d {
			t.Errorf("%d requests in %v: the last one is due after %v, the next after %v", n, d, last, next)
		}
	}
}

func TestScheduleDoesNotOverflow(t *testing.T) {
	s := schedule{begin: time.Unix(0, 0), every: time.Hour, brokers: 7, connections: 10_000_000}
	const years = 100 * 365 * 24
	if got, want := s.due(years*10_000_000).Sub(s.begin), years*time.Hour; got != want {
		t.Errorf("due after %v, want %v", got, want)
	}
	last := int64(years*10_000_000 + 9_999_999)
	if got, want := s.due(last).Sub(s.begin), years*time.Hour+time.Hour-360*time.Microsecond; got != want {
		t.Errorf("due after %v, want %v", got, want)
	}
	if got := s.before((years + 1) * time.Hour); got != last+1 {
		t.Errorf("%d requests, want %d", got, last+1)
	}
	if n := s.node(math.MaxInt64); n < 0 || n > 6 {
		t.Errorf("node %d, want 0 to 6", n)
	}
}

func TestWatch(t *testing.T) {
	var w watch
	if w.median() != 0 {
		t.Errorf("median %d of nothing, want 0", w.median())
	}
	for _, n := range []int{8, 9, 700, 8, 8, 9, 9, 8} {
		w.count(n)
	}
	if w.median() != 8 || w.goroutines != 700 {
		t.Errorf("median %d, most %d; want 8 and 700", w.median(), w.goroutines)
	}
	w.see()
	if w.looks != 9 {
		t.Errorf("%d looks, want 9", w.looks)
	}
}

func TestDelayOf(t *testing.T) {
	for text, want := range map[string]time.Duration{"123 4567 89\n": 4567, "123": 0, "": 0, "1 x 2": 0} {
		if got, ok := delayOf([]byte(text)); got != want || ok != (want > 0) {
			t.Errorf("%q: %v, %t; want %v", text, got, ok, want)
		}
	}
}

func TestResidentOf(t *testing.T) {
	for text, want := range map[string]uint64{
		"12345 678 90 1 0 2 0\n": 678 * 4096,
		"12345":                  0,
		"":                       0,
		"1 x":                    0,
	} {
		if got := residentOf([]byte(text), 4096); got != want {
			t.Errorf("%q: %d, want %d", text, got, want)
		}
	}
}
