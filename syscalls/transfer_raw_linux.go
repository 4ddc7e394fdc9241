//go:build linux && gc && !race && (amd64 || arm64 || arm || loong64 || mips64 || mips64le || ppc64 || ppc64le || riscv64)

package syscalls

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Raw reports whether transfers up to [RawMax] bypass the scheduler.
const Raw = true

const (
	recvFlags = unix.MSG_DONTWAIT
	sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
)

// In every function below the conversion of a pointer to uintptr stands in the
// argument list of the call, which alone keeps its object where it is until
// the call returns (unsafe.Pointer, rule 4). Do not move it to a variable.

func recv(fd int, b []byte) (int, error) {
	var n uintptr
	var errno unix.Errno
	if len(b) <= RawMax {
		n, _, errno = unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), recvFlags, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_RECVFROM, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), recvFlags, 0, 0)
	}
	return result(n, errno)
}

func send(fd int, b []byte) (int, error) {
	var n uintptr
	var errno unix.Errno
	if len(b) <= RawMax {
		n, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), sendFlags, 0, 0)
	} else {
		n, _, errno = unix.Syscall6(unix.SYS_SENDTO, uintptr(fd),
			uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(len(b)), sendFlags, 0, 0)
	}
	return result(n, errno)
}

// stackIovecs is how many buffers are described on the stack, 1 KiB on 64-bit
// machines. A larger array would make every writing goroutine's stack grow.
const stackIovecs = 64

// iovecs holds *[iovMax]unix.Iovec for the rare longer lists.
var iovecs = sync.Pool{New: func() any { return new([iovMax]unix.Iovec) }}

func sendv(fd int, bufs [][]byte) (int, error) {
	if len(bufs) > stackIovecs {
		iov := iovecs.Get().(*[iovMax]unix.Iovec)
		n, err := sendIovecs(fd, bufs, iov[:len(bufs)])
		clear(iov[:len(bufs)]) // or the pool would keep the buffers alive
		iovecs.Put(iov)
		return n, err
	}
	var iov [stackIovecs]unix.Iovec
	return sendIovecs(fd, bufs, iov[:len(bufs)])
}

// sendIovecs describes bufs in iov, which is as long, and sends them.
func sendIovecs(fd int, bufs [][]byte, iov []unix.Iovec) (int, error) {
	total := 0
	for i, b := range bufs {
		iov[i].Base = unsafe.SliceData(b)
		iov[i].SetLen(len(b))
		total += len(b)
	}
	var msg unix.Msghdr
	msg.Iov = unsafe.SliceData(iov)
	msg.SetIovlen(len(iov))
	var n uintptr
	var errno unix.Errno
	if total <= RawMax {
		n, _, errno = unix.RawSyscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), sendFlags)
	} else {
		n, _, errno = unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&msg)), sendFlags)
	}
	return result(n, errno)
}

func epollPoll(epfd int, events []EpollEvent) (int, error) {
	// epoll_pwait, since arm64 and riscv64 have no epoll_wait. A nil mask
	// leaves signals alone.
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epfd),
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	return result(n, errno)
}

func eventfdRead(fd int) error {
	var count uint64
	_, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&count)), 8)
	return errnoErr(errno)
}

func eventfdWrite(fd int) error {
	count := uint64(1)
	_, _, errno := unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&count)), 8)
	return errnoErr(errno)
}

// result turns the two results of a transfer into Go's pair.
func result(n uintptr, errno unix.Errno) (int, error) {
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// errnoErr returns errno as an error, nil for 0: an interface that holds
// Errno(0) would not be nil.
func errnoErr(errno unix.Errno) error {
	if errno != 0 {
		return errno
	}
	return nil
}
