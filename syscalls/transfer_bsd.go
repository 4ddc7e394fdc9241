//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls

import "golang.org/x/sys/unix"

// Raw reports whether transfers up to [RawMax] bypass the scheduler. They do
// on Linux only: system calls of darwin and openbsd go through libc.
const Raw = false

func recv(fd int, b []byte) (int, error) {
	return transferred(unix.Read(fd, b)) // tells the race detector itself
}

func send(fd int, b []byte) (int, error) {
	raceRead(b)
	return transferred(unix.SendmsgN(fd, b, nil, nil, sendFlags))
}

func sendv(fd int, bufs [][]byte) (int, error) {
	for _, b := range bufs {
		raceRead(b)
	}
	return transferred(unix.SendmsgBuffers(fd, bufs, nil, nil, sendFlags))
}

// transferred makes the count of a failed call 0: some of unix's are -1.
func transferred(n int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return n, nil
}
