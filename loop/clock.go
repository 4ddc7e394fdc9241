package loop

import (
	"math"
	"time"
)

// epoch is the origin of the package's clock: all deadlines are nanoseconds since it, on the monotonic clock, so that a deadline is one
// int64 and a step of the wall clock moves none.
var epoch = time.Now()

// never is the deadline of what has none.
const never = math.MaxInt64

// now reads the monotonic clock.
func now() int64 { return int64(time.Since(epoch)) }

// instant converts a point in time to the package's clock; the zero time is never.
func instant(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return int64(t.Sub(epoch))
}

// after is the instant d from now, without overflow.
func after(d time.Duration) int64 {
	t := now()
	if int64(d) > never-t {
		return never
	}
	return t + int64(d)
}
