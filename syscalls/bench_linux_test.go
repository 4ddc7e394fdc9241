package syscalls_test

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"kafkaio/syscalls"
)

// BenchmarkTransfer writes to one end of a socket pair and reads it from the
// other: one write and one read an operation. From it comes RawMax.
func BenchmarkTransfer(b *testing.B) {
	type pair struct {
		name        string
		read, write func(int, []byte) (int, error)
	}
	calls := []pair{
		{"syscalls", syscalls.Read, syscalls.Write},
		{"unix", unix.Read, unix.Write},
	}
	for _, size := range []int{64, 1 << 10, 4 << 10, 16 << 10, 32 << 10, 64 << 10} {
		for _, c := range calls {
			b.Run(fmt.Sprintf("%d/%s", size, c.name), func(b *testing.B) {
				from, to := unixPair(b)
				if err := syscalls.SetWriteBuffer(from, 1<<20); err != nil {
					b.Fatal(err)
				}
				out, in := make([]byte, size), make([]byte, size)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				for b.Loop() {
					n, err := c.write(from, out)
					if n != size || err != nil {
						b.Fatal(n, err)
					}
					for got := 0; got < size; got += n {
						if n, err = c.read(to, in); err != nil {
							b.Fatal(err)
						}
					}
				}
			})
		}
	}
}

func BenchmarkWritev(b *testing.B) {
	for _, count := range []int{2, 16, 64, 256} {
		b.Run(fmt.Sprint(count), func(b *testing.B) {
			from, to := unixPair(b)
			bufs, all := cut(repeat(count, 64))
			b.SetBytes(int64(len(all)))
			b.ReportAllocs()
			for b.Loop() {
				n, err := syscalls.Writev(from, bufs)
				if n != len(all) || err != nil {
					b.Fatal(n, err)
				}
				if n, err := syscalls.Read(to, all); n != len(all) || err != nil {
					b.Fatal(n, err)
				}
			}
		})
	}
}

func BenchmarkReadNothingThere(b *testing.B) {
	buf := make([]byte, 64)
	for name, read := range map[string]func(int, []byte) (int, error){"syscalls": syscalls.Read, "unix": unix.Read} {
		b.Run(name, func(b *testing.B) {
			fd, _ := unixPair(b)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = read(fd, buf)
			}
		})
	}
}

func BenchmarkEpollPoll(b *testing.B) {
	events := make([]syscalls.EpollEvent, 64)
	for name, poll := range map[string]func(int) (int, error){
		"syscalls": func(epfd int) (int, error) { return syscalls.EpollPoll(epfd, events) },
		"unix":     func(epfd int) (int, error) { return unix.EpollWait(epfd, events, 0) },
	} {
		b.Run(name, func(b *testing.B) {
			epfd := newEpoll(b)
			b.ReportAllocs()
			for b.Loop() {
				_, _ = poll(epfd)
			}
		})
	}
}

func BenchmarkPeerClosed(b *testing.B) {
	a, _ := tcpPair(b)
	b.ReportAllocs()
	for b.Loop() {
		if closed, err := syscalls.PeerClosed(a.fd); closed || err != nil {
			b.Fatal(closed, err)
		}
	}
}
