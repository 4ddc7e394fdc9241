//go:build linux && (race || !gc || !(amd64 || arm64 || arm || loong64 || mips64 || mips64le || ppc64 || ppc64le || riscv64))

package syscalls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// Raw reports whether transfers up to [RawMax] bypass the scheduler. They do
// not under the race detector, which has to see the buffers, and not on 386
// and s390x, where socket calls may have to go through socketcall(2).
const Raw = false

const (
	recvFlags = unix.MSG_DONTWAIT
	sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
)

func recv(fd int, b []byte) (int, error) {
	n, _, err := unix.Recvfrom(fd, b, recvFlags)
	if n > 0 {
		raceWrite(b[:n])
		return n, nil // whatever became of the sender's address
	}
	return 0, err
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

func epollPoll(epfd int, events []EpollEvent) (int, error) {
	return transferred(unix.EpollWait(epfd, events, 0))
}

func eventfdRead(fd int) error {
	var b [8]byte
	_, err := unix.Read(fd, b[:])
	return err
}

func eventfdWrite(fd int) error {
	var b [8]byte
	binary.NativeEndian.PutUint64(b[:], 1)
	_, err := unix.Write(fd, b[:])
	return err
}

// transferred makes the count of a failed call 0: some of unix's are -1.
func transferred(n int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return n, nil
}
