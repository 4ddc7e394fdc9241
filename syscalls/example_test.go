//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package syscalls_test

import (
	"fmt"
	"log"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

// A write, the read at the other end, an empty socket, and the end.
func Example() {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err != nil {
		log.Fatal(err)
	}
	client, server := fds[0], fds[1]
	defer syscalls.Close(client)
	defer syscalls.Close(server)
	for _, fd := range fds {
		if err := unix.SetNonblock(fd, true); err != nil {
			log.Fatal(err)
		}
	}

	n, err := syscalls.Writev(client, [][]byte{[]byte("size "), []byte("and body")})
	fmt.Println("wrote", n, err)

	b := make([]byte, 64)
	n, err = syscalls.Read(server, b)
	fmt.Printf("read %q %v\n", b[:n], err)

	_, err = syscalls.Read(server, b)
	fmt.Println("nothing there:", syscalls.IsRetry(err))

	if err := syscalls.ShutdownWrite(client); err != nil {
		log.Fatal(err)
	}
	closed, err := syscalls.PeerClosed(server)
	fmt.Println("peer closed:", closed, err)
	// Output:
	// wrote 13 <nil>
	// read "size and body" <nil>
	// nothing there: true
	// peer closed: true <nil>
}
