package kio

import (
	"context"
	"math/rand/v2"
	"time"
)

// backoff is how long to wait after so many failures in a row, 1 or more: a random part (full jitter) of a time that begins with least and doubles up to most,
// so that those who failed together do not come back together.
func backoff(failures int, least, most time.Duration) time.Duration {
	top := most
	if shift := failures - 1; shift < 32 && least < most>>shift {
		top = least << shift
	}
	return rand.N(max(top, top+1)) // which overflows where most is the longest time there is
}

// pause waits, and reports whether it did: not when ctx ends before or would end meanwhile.
func pause(ctx context.Context, d time.Duration) bool {
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
