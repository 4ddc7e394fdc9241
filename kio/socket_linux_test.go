package kio_test

import (
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// socketOf finds the descriptor of this process's socket between two TCP addresses.
func socketOf(t *testing.T, local, remote net.Addr) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		here, err1 := unix.Getsockname(fd)
		there, err2 := unix.Getpeername(fd)
		if err1 == nil && err2 == nil && isAddr(here, local) && isAddr(there, remote) {
			return fd
		}
	}
	t.Fatalf("no socket from %v to %v", local, remote)
	return -1
}

func isAddr(sa unix.Sockaddr, want net.Addr) bool {
	in, ok := sa.(*unix.SockaddrInet4)
	if !ok {
		return false
	}
	return want.String() == net.JoinHostPort(net.IP(in.Addr[:]).String(), strconv.Itoa(in.Port))
}

// tcpOption is one value that Config sets.
type tcpOption struct {
	name          string
	level, number int
	want          int
}

func checkOptions(t *testing.T, fd int, options []tcpOption) {
	t.Helper()
	for _, o := range options {
		if got, err := unix.GetsockoptInt(fd, o.level, o.number); got != o.want {
			t.Errorf("%s is %d, %v; want %d", o.name, got, err, o.want)
		}
	}
}

// The values that README promises, and others, are really on the sockets: on the engine's own, and on those that proxies and other dialers bring.
func TestSocketOptionsAreOnEverySocket(t *testing.T) {
	defaults := []tcpOption{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 5},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 20_000},
	}
	own := []tcpOption{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
		{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 7},
		{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 2},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 12_345},
		{"SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF, 2 * 40_000}, // Linux doubles
		{"SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF, 2 * 50_000},
	}
	off := []tcpOption{
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
		{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 0},
	}
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.OpenRaw = true
		l := hostile.Listen(t, hostile.Echo)
		s := &socksServer{}
		through := mustSOCKS5(t, kio.SOCKS5Config{Addr: s.listen(t, "tcp", "127.0.0.1:0")})
		for name, dialer := range map[string]func(context.Context, string, string) (net.Conn, error){
			"the engine":    nil,
			"a net.Dialer":  (&net.Dialer{KeepAlive: time.Minute}).DialContext,
			"a SOCKS proxy": through,
		} {
			t.Run(name, func(t *testing.T) {
				cfg := cfg
				cfg.Dialer = dialer
				check := func(options []tcpOption) {
					t.Helper()
					b, c := mustDialBroker(t, l.Addr(), cfg), mustDial(t, l.Addr(), cfg)
					checkOptions(t, socketOf(t, b.LocalAddr(), b.RemoteAddr()), options)
					checkOptions(t, socketOf(t, c.LocalAddr(), c.RemoteAddr()), options)
					_ = b.Close()
					_ = c.Close()
				}
				check(defaults)
				cfg.KeepAliveIdle, cfg.KeepAliveInterval, cfg.KeepAliveCount = 6500*time.Millisecond, 2*time.Second, 4
				cfg.UserTimeout = 12_345 * time.Millisecond
				cfg.ReadBufferBytes, cfg.WriteBufferBytes = 40_000, 50_000
				check(own)
				cfg.KeepAliveIdle, cfg.UserTimeout = -1, -1
				check(off)
			})
		}
	})
}

// deafen makes the kernel drop all that arrives at a socket before TCP sees it, acknowledgements included, as if the network had been cut. A filter on one's own
// socket needs no privilege.
func deafen(t *testing.T, fd int) {
	t.Helper()
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: 0}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop}); err != nil {
		t.Skipf("this system lets no filter be attached to a socket, so that nothing can be lost: %v", err)
	}
}

// A peer that goes silent, with bytes underway or with none, is noticed by the kernel within the times of Config, and all callers are told.
func TestAPeerThatGoesSilentIsNoticed(t *testing.T) {
	for name, tt := range map[string]struct {
		set   func(cfg *kio.Config)
		sends bool
	}{
		"unacknowledged bytes": {func(cfg *kio.Config) { cfg.KeepAliveIdle, cfg.UserTimeout = -1, time.Second }, true},
		"an idle connection": {func(cfg *kio.Config) {
			cfg.KeepAliveIdle, cfg.KeepAliveInterval, cfg.KeepAliveCount = time.Second, time.Second, 1
			cfg.UserTimeout = -1
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				tt.set(&cfg)
				cfg.OpenRaw, cfg.Timeout = true, time.Minute
				answered := hostile.Listen(t, hostile.Answer(nil))
				b := mustDialBroker(t, answered.Addr(), cfg)
				if _, err := b.RoundTrip(t.Context(), request(3, 9, "body")); err != nil {
					t.Fatal(err)
				}
				deafen(t, socketOf(t, b.RemoteAddr(), b.LocalAddr()))
				began := time.Now()
				if tt.sends {
					_, err := b.RoundTrip(t.Context(), request(3, 9, "body"))
					wantIs(t, withCode(t, err, kio.CodeNoAcknowledgement), syscall.ETIMEDOUT)
				}
				select {
				case <-b.Done():
				case <-time.After(patience):
					t.Fatalf("the silent peer is not noticed after %v", patience)
				}
				took := time.Since(began)
				if err := b.Err(); !errors.Is(err, syscall.ETIMEDOUT) || took < 900*time.Millisecond {
					t.Errorf("after %v the connection has ended with %v, want ETIMEDOUT after a second or more", took, err)
				}
				t.Logf("noticed after %v", took)
			})
		})
	}
}
