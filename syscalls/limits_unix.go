//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import (
	"math"

	"golang.org/x/sys/unix"
)

// GetFileLimits returns the limits on open descriptors (RLIMIT_NOFILE).
func GetFileLimits() (FileLimits, error) {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return FileLimits{}, err
	}
	return FileLimits{Soft: fromRlim(uint64(r.Cur)), Hard: fromRlim(uint64(r.Max))}, nil //nolint:unconvert // FreeBSD has them signed
}

// RaiseFileLimit raises the soft limit to want, or to the hard limit if that is
// less. It never lowers anything. It returns the limits after the call, so
// Soft below want tells that the hard limit is in the way.
//
// The Go runtime raises the soft limit to the hard one by itself as the
// program starts (since Go 1.19) and gives child processes the old limit
// back. After a successful raise here children inherit the new one.
func RaiseFileLimit(want uint64) (FileLimits, error) {
	now, err := GetFileLimits()
	if err != nil {
		return FileLimits{}, err
	}
	want = min(want, now.Hard)
	if want <= now.Soft {
		return now, nil
	}
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return now, err
	}
	if want == now.Hard {
		r.Cur = r.Max
	} else {
		setRlim(&r.Cur, want)
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return now, err
	}
	return GetFileLimits()
}

// fromRlim makes one value of the kernels' different infinities: all ones on
// Linux, the largest int64 on the others, whichever sign their types have.
func fromRlim(n uint64) uint64 {
	if n >= math.MaxInt64 {
		return math.MaxUint64
	}
	return n
}

// setRlim stores n, which is less than any infinity, in a field whose type
// differs between platforms.
func setRlim[T int64 | uint64](field *T, n uint64) { *field = T(n) }
