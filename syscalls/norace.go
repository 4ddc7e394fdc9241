//go:build !race && (linux || darwin || dragonfly || freebsd || netbsd || openbsd)

package syscalls

func raceRead([]byte) {} //nolint:unused // by the builds whose transfers are ordinary calls

func raceWrite([]byte) {} //nolint:unused // as above
