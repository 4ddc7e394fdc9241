package report

import (
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:                                "-",
		400 * time.Nanosecond:            "0.40µs",
		17 * time.Microsecond:            "17.0µs",
		999400 * time.Nanosecond:         "999µs",
		999600 * time.Nanosecond:         "1.00ms",
		9994 * time.Microsecond:          "9.99ms",
		9996 * time.Microsecond:          "10.0ms",
		38123 * time.Microsecond:         "38.1ms",
		999400 * time.Microsecond:        "999ms",
		999600 * time.Microsecond:        "1.00s",
		12345 * time.Millisecond:         "12.3s",
		2 * time.Hour:                    "7200s",
		time.Second - time.Nanosecond:    "1.00s",
		time.Millisecond + 4*time.Minute: "240s",
	} {
		if got := latency(d); got != want {
			t.Errorf("latency(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 999: "999 B", 1000: "1.00 kB", 12345: "12.3 kB", 999_499: "999 kB", 999_500: "1.00 MB",
		1 << 30: "1.07 GB", 5_000_000_000_000: "5.00 TB", 5_000_000_000_000_000: "5000 TB",
	} {
		if got := bytes(n); got != want {
			t.Errorf("bytes(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestNumber(t *testing.T) {
	for n, want := range map[int]string{0: "0", 12: "12", 999: "999", 1000: "1,000", 1234567: "1,234,567", -999: "-999", -123456: "-123,456"} {
		if got := number(n); got != want {
			t.Errorf("number(%d) = %s, want %s", n, got, want)
		}
	}
}

func TestClasses(t *testing.T) {
	if got, want := classes(map[string]uint64{"b": 2, "a": 2, "c": 3000}), "c 3,000; a 2; b 2"; got != want {
		t.Errorf("classes: %q, want %q", got, want)
	}
	if got := classes(nil); got != "" {
		t.Errorf("classes of nothing: %q, want none", got)
	}
}
