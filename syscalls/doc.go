// Package syscalls gives socket descriptors what package net keeps to itself:
// one thin function per system call or socket option.
//
// A write that never waits, and a look at whether the peer has gone:
//
//	func offer(fd int, request []byte) (rest []byte, err error) {
//		gone, err := syscalls.PeerClosed(fd)
//		if err != nil || gone {
//			return request, net.ErrClosed // nothing left: safe to send elsewhere
//		}
//		n, err := syscalls.Write(fd, request)
//		if syscalls.IsRetry(err) {
//			err = nil // the socket is full: wait until it is writable
//		}
//		return request[n:], err
//	}
//
// # Model
//
// The package starts no goroutine, takes no lock and holds no policy. Every
// function is safe for concurrent use, as far as the kernel's call is. A
// descriptor is an int that the caller owns: it must be open for the whole of
// the call, and keeping it from being closed and reused meanwhile is the
// caller's task. [Read], [Write] and [Writev] expect a non-blocking stream
// socket.
//
// Where [Raw] is true, transfers up to [RawMax], [EpollPoll] and the eventfd
// calls do not tell the Go scheduler that they enter the kernel. They cannot
// sleep there, so the scheduler has nothing to do meanwhile, and Go then spends
// what C spends. The price: for these microseconds the processor cannot be
// taken away, not even by a garbage collection. Calls that may sleep
// ([EpollWait], [EpollWaitFor]) and large transfers go the ordinary way.
//
// # Buffers
//
// Every slice is borrowed until return. Under the race detector calls are
// ordinary ones and report their buffers to it, but draw no happens-before edge
// from a write to the read at the other end of a connection: Go's memory model
// promises none.
//
// # Errors
//
// Errors are bare [syscall.Errno] values (package unix names the same type), so
// == and [errors.Is] both work and nothing is allocated. The two exceptions:
// what a platform lacks matches [errors.ErrUnsupported] and says what that is,
// and [LocalPortRange] passes on the errors of package os. A read of 0 bytes
// without an error is the end of the stream.
//
// # Platforms
//
//	                                linux   darwin   BSDs   windows, other
//	Read, Write, Writev             yes     yes (1)  yes    no
//	Raw                             yes (2) no       no     no
//	Dup, Close, Shutdown,
//	  ShutdownWrite, SocketError    yes     yes      yes    no
//	PeerClosed                      yes     (3)      (3)    no
//	SetNoDelay, SetReadBuffer,
//	  SetWriteBuffer                yes     yes      yes    no
//	SetKeepAlive                    yes     yes      (4)    no
//	DisableKeepAlive                yes     yes      yes    no
//	SetQuickAck, SetUserTimeout,
//	  QueuedOut, GetTCPInfo         yes     no       no     no
//	GetFileLimits, RaiseFileLimit,
//	  LocalPortRange                yes     yes      yes    no
//	OpenDescriptors                 yes     no       no     no
//	Epoll…, Eventfd…, Socket…,
//	  Connect…, …Addr               yes     -        -      -
//
// yes: works; no: returns an error that matches [errors.ErrUnsupported];
// -: does not exist. (1) Call [SetNoSigpipe] once a socket. (2) Not on 386,
// s390x, mips and mipsle, not under -race. (3) A FIN behind unread bytes is seen
// only once they are read. (4) OpenBSD: only with the system's own values.
//
// Only Linux is tested by running; the others are known to compile.
package syscalls
