//go:build unix

package responder

import (
	"context"
	"fmt"
	"net"
	"os"

	"github.com/panjf2000/gnet/v2"
	"golang.org/x/sys/unix"
)

const delaySupported = true

// bell is our end of a socket pair whose other end is a connection of the
// loop: the only thing that gnet's server watches is a connection, and a
// task that posts itself again would never let it read.
type bell struct{ fd int }

var stroke = []byte{0}

// newBell enrolls a socket pair with el. The loop's end carries owner as its
// context. It does not wait for the enrolment: a stroke before that is heard
// after it.
func newBell(el gnet.EventLoop, owner any) (bell, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		return bell{}, fmt.Errorf("socketpair: %w", err)
	}
	for _, fd := range fds {
		unix.CloseOnExec(fd)
		_ = unix.SetNonblock(fd, true)
	}
	f := os.NewFile(uintptr(fds[1]), "bell")
	nc, err := net.FileConn(f) // a duplicate
	_ = f.Close()
	if err == nil {
		_, err = el.Enroll(gnet.NewContext(context.Background(), owner), nc)
	}
	if err != nil {
		_ = unix.Close(fds[0])
		return bell{}, fmt.Errorf("enroll: %w", err)
	}
	return bell{fd: fds[0]}, nil
}

// ring makes the loop's end readable. Safe for concurrent use until close.
func (b bell) ring() { _, _ = unix.Write(b.fd, stroke) }

func (b bell) close() { _ = unix.Close(b.fd) }

// descriptorLimit is how many descriptors the process may have.
func descriptorLimit() int {
	var r unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &r) != nil || r.Cur > 1<<30 {
		return 1 << 30
	}
	return int(r.Cur)
}
