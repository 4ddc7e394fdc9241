package kio_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// zone is what a name server of a test knows: names without the last dot.
type zone map[string][]string

// nameServer answers from a zone. A gate that is not nil holds answers back until it is closed.
type nameServer struct {
	zone    atomic.Pointer[zone]
	gate    <-chan struct{}
	conn    net.PacketConn
	queries chan string  // of each query that came, its name, as far as there is room
	pending atomic.Int64 // queries without an answer yet
}

// startNameServer serves until the test ends.
func startNameServer(t *testing.T, z zone, gate <-chan struct{}) *nameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{gate: gate, conn: conn, queries: make(chan string, 100)}
	s.zone.Store(&z)
	var serving sync.WaitGroup
	serving.Go(func() { s.serve(&serving) })
	t.Cleanup(func() {
		// An answer that came too late for its dial still gives the resolver's socket back.
		eventually(t, "all queries are answered", func() bool { return s.pending.Load() == 0 })
		_ = conn.Close()
		serving.Wait()
	})
	return s
}

// resolver asks this server only.
func (s *nameServer) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
	}}
}

// serve answers each query on a goroutine of its own. It ends when the socket is closed; startNameServer starts it, and waits for it at the end of the test.
func (s *nameServer) serve(serving *sync.WaitGroup) {
	b := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(b)
		if err != nil {
			return
		}
		var query dnsmessage.Message
		if query.Unpack(b[:n]) != nil || len(query.Questions) != 1 {
			continue
		}
		s.pending.Add(1)
		select {
		case s.queries <- query.Questions[0].Name.String():
		default:
		}
		serving.Go(func() {
			defer s.pending.Add(-1)
			if s.gate != nil {
				<-s.gate
			}
			if answer, err := s.answer(&query); err == nil {
				_, _ = s.conn.WriteTo(answer, from)
			}
		})
	}
}

// answer gives the addresses of the asked type, none where the name has others only, and NXDOMAIN for other names.
func (s *nameServer) answer(query *dnsmessage.Message) ([]byte, error) {
	q := query.Questions[0]
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: query.ID, Response: true, Authoritative: true, RecursionAvailable: true},
		Questions: query.Questions,
	}
	addresses, known := (*s.zone.Load())[strings.TrimSuffix(q.Name.String(), ".")]
	if !known {
		answer.RCode = dnsmessage.RCodeNameError
	}
	for _, a := range addresses {
		ip := netip.MustParseAddr(a)
		var body dnsmessage.ResourceBody
		switch {
		case ip.Is4() && q.Type == dnsmessage.TypeA:
			body = &dnsmessage.AResource{A: ip.As4()}
		case ip.Is6() && q.Type == dnsmessage.TypeAAAA:
			body = &dnsmessage.AAAAResource{AAAA: ip.As16()}
		default:
			continue
		}
		answer.Answers = append(answer.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1},
			Body:   body,
		})
	}
	return answer.Pack()
}

// listenOn gives the port of a listener that accepts, and says hello, on an address; it skips the test where the machine has no such address.
func listenOn(t *testing.T, host string) (port string) {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no address %s on this machine: %v", host, err)
	}
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = c.Write([]byte("hello"))
			_ = c.Close()
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		serving.Wait()
	})
	_, port, _ = net.SplitHostPort(ln.Addr().String())
	return port
}

func TestNamesAndLiterals(t *testing.T) {
	cfg := config(t)
	v4 := listenOn(t, "127.0.0.1")
	v6 := listenOn(t, "::1")
	cfg.Resolver = startNameServer(t, zone{
		"v4only.test":  {"127.0.0.1"},
		"v6only.test":  {"::1"},
		"both.test":    {"127.0.0.1", "::1"},
		"dead6.test":   {"::1", "127.0.0.1"},
		"nothing.test": nil,
	}, nil).resolver()
	for _, tt := range []struct {
		addr    string
		version kio.IPVersion
		remote  string   // the address that was connected to, without its port
		code    kio.Code // or the error
	}{
		{"127.0.0.1:" + v4, kio.IPAny, "127.0.0.1", 0},
		{"127.0.0.1:" + v4, kio.IPv4, "127.0.0.1", 0},
		{"127.0.0.1:" + v4, kio.IPv6, "", kio.CodeIPVersion},
		{"localhost:" + v4, kio.IPAny, "127.0.0.1", 0},
		{"localhost:" + v4, kio.IPv4, "127.0.0.1", 0},
		{"[::1]:" + v6, kio.IPAny, "::1", 0},
		{"[::1]:" + v6, kio.IPv6, "::1", 0},
		{"[::1]:" + v6, kio.IPv4, "", kio.CodeIPVersion},
		{"[0:0:0:0:0:0:0:1]:" + v6, kio.IPAny, "::1", 0},
		{"[0:0:0:0:0:0:0:1]:" + v6, kio.IPv6, "::1", 0},
		{"[::ffff:127.0.0.1]:" + v4, kio.IPv4, "127.0.0.1", 0},
		{"v4only.test:" + v4, kio.IPAny, "127.0.0.1", 0},
		{"v4only.test:" + v4, kio.IPv4, "127.0.0.1", 0},
		{"v4only.test:" + v4, kio.IPv6, "", kio.CodeIPVersion},
		{"v6only.test:" + v6, kio.IPAny, "::1", 0},
		{"v6only.test:" + v6, kio.IPv6, "::1", 0},
		{"v6only.test:" + v6, kio.IPv4, "", kio.CodeIPVersion},
		{"both.test:" + v4, kio.IPv4, "127.0.0.1", 0},
		{"both.test:" + v6, kio.IPv6, "::1", 0},
		{"dead6.test:" + v4, kio.IPAny, "127.0.0.1", 0}, // nobody listens at ::1 on that port
		{"nothing.test:" + v4, kio.IPAny, "", kio.CodeCannotConnect},
		{"nothing.test:" + v4, kio.IPv4, "", kio.CodeCannotConnect},
		{"absent.test:" + v4, kio.IPAny, "", kio.CodeCannotConnect},
		{"absent.test:" + v4, kio.IPv4, "", kio.CodeCannotConnect},
		{"absent.test:" + v4, kio.IPv6, "", kio.CodeCannotConnect},
	} {
		cfg.IPVersion = tt.version
		c, err := kio.Dial(t.Context(), tt.addr, cfg)
		if tt.code != 0 {
			if err == nil {
				t.Errorf("Dial(%s), version %d: connected to %v, want code %d", tt.addr, tt.version, c.RemoteAddr(), tt.code)
				_ = c.Close()
				continue
			}
			if e := withCode(t, err, tt.code); !e.SafeToRetry() {
				t.Errorf("Dial(%s): %v is not safe to retry", tt.addr, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Dial(%s), version %d: %v, want a connection", tt.addr, tt.version, err)
			continue
		}
		remote, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		if got, err := c.Receive(5, 0); remote != tt.remote || string(got) != "hello" {
			t.Errorf("Dial(%s), version %d: connected to %s, which said %q, %v; want %s and hello", tt.addr, tt.version, remote, got, err, tt.remote)
		}
		if !strings.Contains(tt.addr, "ffff") && c.Addr() != tt.addr {
			t.Errorf("Addr is %s, want it as given, %s", c.Addr(), tt.addr)
		}
		_ = c.Close()
	}
}

func TestErrorOfANameThatDoesNotExist(t *testing.T) {
	cfg := config(t)
	cfg.Resolver = startNameServer(t, zone{}, nil).resolver()
	_, err := kio.Dial(t.Context(), "absent.test", cfg)
	wantCode(t, err, kio.CodeCannotConnect)
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound || dns.Name != "absent.test" {
		t.Errorf("error %v; want a *net.DNSError within, of absent.test, not found", err)
	}
}

func TestResolverSlowerThanTheDialDeadline(t *testing.T) {
	cfg := config(t)
	gate := make(chan struct{})
	names := startNameServer(t, zone{"slow.test": {"127.0.0.1"}}, gate)
	t.Cleanup(func() { close(gate) })
	cfg.Resolver = names.resolver()

	for _, tt := range []struct {
		name    string
		timeout time.Duration // Config.DialTimeout
		by      time.Duration // of the context
	}{
		{"Config.DialTimeout", 100 * time.Millisecond, time.Minute},
		{"the context's deadline", time.Minute, 100 * time.Millisecond},
	} {
		cfg.DialTimeout = tt.timeout
		// The caller's own timers run on while the dial is stuck in the resolver.
		ticked := make(chan struct{})
		time.AfterFunc(10*time.Millisecond, func() { close(ticked) })
		began := time.Now() // no later than the context's time
		ctx, cancel := context.WithTimeout(t.Context(), tt.by)
		_, err := kio.Dial(ctx, "slow.test:9092", cfg)
		took := time.Since(began)
		cancel()
		e := withCode(t, err, kio.CodeCannotConnect)
		if !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) || took < 100*time.Millisecond || took > patience {
			t.Errorf("%s: %v after %v; want a timeout after 100 ms", tt.name, err, took)
		}
		select {
		case <-ticked:
		default:
			t.Errorf("%s: the caller's timer of 10 ms has not fired in %v", tt.name, took)
		}
	}

	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := kio.Dial(ctx, "cancel.slow.test:9092", cfg)
		ended <- err
	}()
	for name := range names.queries {
		if strings.HasPrefix(name, "cancel.") {
			break
		}
	}
	cancel()
	err := <-ended
	wantIs(t, withCode(t, err, kio.CodeCannotConnect), context.Canceled)
}

func TestResolverSlowerThanTheCallersTimers(t *testing.T) {
	cfg := config(t)
	gate := make(chan struct{})
	names := startNameServer(t, zone{"slow.test": {"127.0.0.1"}}, gate)
	cfg.Resolver = names.resolver()
	_, port, _ := net.SplitHostPort(hostile.Listen(t, hostile.Echo).Addr())

	time.AfterFunc(20*time.Millisecond, func() { close(gate) }) // the resolver answers when the caller's timer has fired
	c := mustDial(t, "slow.test:"+port, cfg)
	select {
	case <-gate:
	default:
		t.Error("connected before the resolver answered")
	}
	knock(t, c)
}

func TestDialWhereNobodyListens(t *testing.T) {
	cfg := config(t)
	addr := hostile.Refused(t)
	_, err := kio.Dial(t.Context(), addr, cfg)
	e := withCode(t, err, kio.CodeCannotConnect)
	if e.Addr != addr || e.Elapsed <= 0 || !strings.Contains(err.Error(), "refused") {
		t.Errorf("error %v of %q after %v; want refused, with address and time", err, e.Addr, e.Elapsed)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = kio.Dial(ctx, addr, cfg)
	wantIs(t, withCode(t, err, kio.CodeCannotConnect), context.Canceled)
}
