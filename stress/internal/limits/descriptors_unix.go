//go:build unix

package limits

import (
	"math"
	"syscall"
)

// raiseDescriptors raises the soft limit to the hard one where that is allowed, and returns what is then in force. Go's runtime does the same at
// the start of a program, but not after somebody has lowered it.
func raiseDescriptors() (have int, known bool) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, false
	}
	if l.Cur < l.Max {
		raised := l
		raised.Cur = l.Max
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err == nil {
			l = raised
		}
	}
	return clamp(l.Cur), true
}

// clamp brings a limit into an int; unlimited is the largest. The field is signed on some systems.
func clamp[N int64 | uint64](n N) int {
	if n < 0 || uint64(n) > math.MaxInt32 {
		return math.MaxInt32
	}
	return int(n)
}
