package report

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// number writes a whole number with commas between thousands.
func number[N int | int64 | uint64](n N) string {
	s := strconv.FormatInt(int64(n), 10)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// latency writes a duration with three digits.
func latency(d time.Duration) string {
	switch {
	case d <= 0:
		return "-"
	case d < time.Millisecond-500*time.Nanosecond:
		return digits(float64(d)/float64(time.Microsecond)) + "µs"
	case d < time.Second-500*time.Microsecond:
		return digits(float64(d)/float64(time.Millisecond)) + "ms"
	default:
		return digits(d.Seconds()) + "s"
	}
}

// bytes writes a size in decimal units with three digits.
func bytes(n uint64) string {
	f := float64(n)
	for _, unit := range []string{"B", "kB", "MB", "GB"} {
		if f < 999.5 {
			if unit == "B" {
				return fmt.Sprintf("%d B", n)
			}
			return digits(f) + " " + unit
		}
		f /= 1000
	}
	return digits(f) + " TB"
}

// digits writes a positive number with three digits, or all of those before the point.
func digits(f float64) string {
	switch {
	case f < 9.995:
		return strconv.FormatFloat(f, 'f', 2, 64)
	case f < 99.95:
		return strconv.FormatFloat(f, 'f', 1, 64)
	default:
		return strconv.FormatFloat(f, 'f', 0, 64)
	}
}

// classes writes counts by class, the most frequent first; "" where there are none.
func classes(counts map[string]uint64) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		if counts[a] != counts[b] {
			if counts[a] > counts[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	var parts []string
	for _, name := range names {
		parts = append(parts, name+" "+number(counts[name]))
	}
	return strings.Join(parts, "; ")
}

// Count writes a number with its noun, in the plural where it is not 1.
func Count(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return number(n) + " " + noun
}
