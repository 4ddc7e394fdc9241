package kio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// Where a socksServer may stop to behave.
const (
	atGreeting = "greeting"
	atAuth     = "authentication"
	atRequest  = "request"
)

// socksServer is a proxy of RFC 1928 and RFC 1929, as well as it is told to be.
type socksServer struct {
	user, password string            // wanted, if not empty
	names          map[string]string // host to address; what is not in it is unreachable, but for addresses
	reply          byte              // to requests, in place of a connection
	method         byte              // chosen without regard to what is offered; 0 is properly
	hang           string            // at this step, say nothing
	cut            string            // at this step, say half of it and end
	eager          []byte            // from the broker, in the same segment as the reply

	mu      sync.Mutex
	targets []string // that were asked for
	conns   []net.Conn
	closed  bool
}

// listen serves until the test ends; another may listen again then.
func (s *socksServer) listen(t *testing.T, network, addr string) string {
	t.Helper()
	s.conns, s.closed = nil, false
	ln, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	serving.Go(func() { s.accept(ln) })
	t.Cleanup(func() {
		_ = ln.Close()
		s.close()
		serving.Wait()
	})
	return ln.Addr().String()
}

// accept serves connections, each on a goroutine of its own, until ln is closed, and returns when they have ended.
func (s *socksServer) accept(ln net.Listener) {
	var serving sync.WaitGroup
	defer serving.Wait()
	for {
		c, err := ln.Accept()
		if err != nil || !s.add(c) {
			return
		}
		serving.Go(func() {
			defer c.Close()
			s.serve(c)
		})
	}
}

// add remembers a connection for close.
func (s *socksServer) add(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		_ = c.Close()
		return false
	}
	s.conns = append(s.conns, c)
	return true
}

func (s *socksServer) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for _, c := range s.conns {
		_ = c.Close()
	}
}

func (s *socksServer) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.targets...)
}

// say answers, or misbehaves, and reports whether to go on.
func (s *socksServer) say(c net.Conn, step string, b ...byte) bool {
	switch step {
	case s.hang:
		_, _ = io.Copy(io.Discard, c)
		return false
	case s.cut:
		_, _ = c.Write(b[:1])
		return false
	}
	_, err := c.Write(b)
	return err == nil
}

// serve is one connection.
func (s *socksServer) serve(c net.Conn) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(c, head); err != nil || head[0] != 5 {
		return
	}
	methods := make([]byte, head[1])
	if _, err := io.ReadFull(c, methods); err != nil {
		return
	}
	method := s.method
	switch {
	case method != 0:
	case s.user != "" && bytes.IndexByte(methods, 2) < 0:
		method = 0xff
	case s.user != "":
		method = 2
	}
	if !s.say(c, atGreeting, 5, method) || method == 0xff {
		return
	}
	if method == 2 {
		right := s.authenticate(c)
		if !s.say(c, atAuth, 1, map[bool]byte{true: 0, false: 7}[right]) || !right {
			return
		}
	}
	target, err := readTarget(c)
	if err != nil {
		return
	}
	s.mu.Lock()
	s.targets = append(s.targets, target)
	s.mu.Unlock()
	behind, code := s.connect(target)
	if behind != nil {
		defer behind.Close()
		if !s.add(behind) {
			return
		}
	}
	reply := append([]byte{5, code, 0, 3, 4}, "name\x00\x01"...) // bound to a name: the longest kind
	if code != 0 {
		reply = []byte{5, code, 0, 1, 0, 0, 0, 0, 0, 0}
	}
	if s.say(c, atRequest, append(reply, s.eager...)...) && code == 0 {
		join(c, behind)
	}
}

func (s *socksServer) connect(target string) (net.Conn, byte) {
	if s.reply != 0 {
		return nil, s.reply
	}
	host, _, _ := net.SplitHostPort(target)
	if to, ok := s.names[host]; ok {
		target = to
	} else if net.ParseIP(host) == nil {
		return nil, byte(kio.ProxyHostUnreachable)
	}
	behind, err := net.Dial("tcp", target)
	if err != nil {
		return nil, byte(kio.ProxyConnectionRefused)
	}
	return behind, 0
}

// authenticate reads user and password and compares them.
func (s *socksServer) authenticate(c net.Conn) bool {
	version := make([]byte, 1)
	if _, err := io.ReadFull(c, version); err != nil || version[0] != 1 {
		return false
	}
	user, err := readShort(c)
	if err != nil {
		return false
	}
	password, err := readShort(c)
	return err == nil && user == s.user && password == s.password
}

// readShort reads a text behind its length.
func readShort(r io.Reader) (string, error) {
	length := make([]byte, 1)
	if _, err := io.ReadFull(r, length); err != nil {
		return "", err
	}
	text := make([]byte, length[0])
	_, err := io.ReadFull(r, text)
	return string(text), err
}

// readTarget reads a request.
func readTarget(r io.Reader) (string, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(r, head); err != nil {
		return "", err
	}
	var host string
	var err error
	switch head[3] {
	case 3:
		host, err = readShort(r)
	case 1, 4:
		ip := make(net.IP, map[byte]int{1: net.IPv4len, 4: net.IPv6len}[head[3]])
		_, err = io.ReadFull(r, ip)
		host = ip.String()
	default:
		err = errors.New("unknown type")
	}
	port := make([]byte, 2)
	if err == nil {
		_, err = io.ReadFull(r, port)
	}
	return net.JoinHostPort(host, strconv.Itoa(int(binary.BigEndian.Uint16(port)))), err
}

// mustSOCKS5 makes a dialer.
func mustSOCKS5(t *testing.T, cfg kio.SOCKS5Config) func(context.Context, string, string) (net.Conn, error) {
	t.Helper()
	d, err := kio.SOCKS5(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const proxySecret = "proxy-hunter2"

func TestBrokersBehindAProxy(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		_, addr := fakeKafka(t, "topic")
		path := filepath.Join(t.TempDir(), "s")
		for name, tt := range map[string]struct {
			server        *socksServer
			network, at   string
			user, pass    string
			target, asked string
		}{
			"a name that only the proxy knows": {&socksServer{names: map[string]string{"b1.invalid": addr}}, "tcp", "127.0.0.1:0", "", "", advertised, advertised},
			"an address":                       {&socksServer{}, "tcp", "127.0.0.1:0", "", "", addr, addr},
			"an address of IPv6":               {&socksServer{names: map[string]string{"2001:db8::1": addr}}, "tcp", "127.0.0.1:0", "", "", "[2001:db8::1]:1", "[2001:db8::1]:1"},
			"user and password":                {&socksServer{user: "u", password: proxySecret}, "tcp", "127.0.0.1:0", "u", proxySecret, addr, addr},
			"user and password, not asked for": {&socksServer{}, "tcp", "127.0.0.1:0", "u", proxySecret, addr, addr},
			"a proxy on a Unix socket":         {&socksServer{}, "unix", path, "", "", addr, addr},
		} {
			t.Run(name, func(t *testing.T) {
				at := tt.server.listen(t, tt.network, tt.at)
				if tt.network == "unix" {
					at = "unix:" + at
				}
				cfg := cfg
				cfg.Dialer = mustSOCKS5(t, kio.SOCKS5Config{Addr: at, User: tt.user, Password: tt.pass})
				b := mustDialBroker(t, tt.target, cfg)
				ask(t, b)
				c := mustDial(t, tt.target, cfg)
				knock(t, c)
				if asked := tt.server.asked(); len(asked) != 2 || asked[0] != tt.asked {
					t.Errorf("the proxy was asked for %q, want %q twice", asked, tt.asked)
				}
				if b.Addr() != tt.target || !strings.HasSuffix(at, b.RemoteAddr().String()) && tt.network == "tcp" {
					t.Errorf("Addr %s, RemoteAddr %s; want %s and %s", b.Addr(), b.RemoteAddr(), tt.target, at)
				}
				_ = b.Close()
				_ = c.Close()
			})
		}
	})
}

// The connection is the bare one, and bytes that come with the reply are not lost.
func TestNothingIsLeftBetweenAfterTheHandshake(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		l := hostile.Listen(t, hostile.Echo)
		s := &socksServer{eager: []byte("hello")}
		d := mustSOCKS5(t, kio.SOCKS5Config{Addr: s.listen(t, "tcp", "127.0.0.1:0")})
		nc, err := d(t.Context(), "tcp", l.Addr())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := nc.(*net.TCPConn); !ok {
			t.Errorf("the dialer gives a %T, want a *net.TCPConn", nc)
		}
		_ = nc.Close()
		cfg.Dialer = d
		c := mustDial(t, l.Addr(), cfg)
		if got, err := c.Receive(5, 0); string(got) != "hello" {
			t.Errorf("received %q, %v; want what came with the reply", got, err)
		}
	})
}

func TestTLSAndSASLThroughAProxy(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		ca := newAuthority(t)
		addr := saslKafka(t, kfake.TLS(&tls.Config{Certificates: []tls.Certificate{ca.named("broker.test")}}))
		s := &socksServer{names: map[string]string{"broker.test": addr}}
		cfg.Dialer = mustSOCKS5(t, kio.SOCKS5Config{Addr: s.listen(t, "tcp", "127.0.0.1:0")})
		cfg.TLS, cfg.SASL = &tls.Config{RootCAs: ca.pool}, []sasl.Mechanism{carol}
		ask(t, mustDialBroker(t, "broker.test:9093", cfg))

		// With a map as well, the proxy is asked for what the map gives.
		cfg.MapAddr = func(string) string { return addr }
		ask(t, mustDialBroker(t, "broker.test:9093", cfg))
		if asked := s.asked(); len(asked) != 2 || asked[1] != addr {
			t.Errorf("the proxy was asked for %q, want at last %s", asked, addr)
		}
	})
}

func TestProxiesInAChain(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		_, addr := fakeKafka(t, "topic")
		inner := &socksServer{names: map[string]string{"b1.invalid": addr}}
		outer := &socksServer{names: map[string]string{"inner.invalid": inner.listen(t, "tcp", "127.0.0.1:0")}}
		first := mustSOCKS5(t, kio.SOCKS5Config{Addr: outer.listen(t, "tcp", "127.0.0.1:0")})
		cfg.Dialer = mustSOCKS5(t, kio.SOCKS5Config{Addr: "inner.invalid", Dialer: first})
		ask(t, mustDialBroker(t, advertised, cfg))
		if got := outer.asked(); len(got) != 1 || got[0] != "inner.invalid:1080" {
			t.Errorf("the first proxy was asked for %q, want inner.invalid:1080", got)
		}
	})
}

func TestAProxyThatFails(t *testing.T) {
	closed := func(t *testing.T) string {
		t.Helper()
		l := hostile.Listen(t)
		l.Close()
		return l.Addr()
	}
	script := func(s hostile.Script) func(*testing.T) string {
		return func(t *testing.T) string { t.Helper(); return hostile.Listen(t, s).Addr() }
	}
	server := func(s *socksServer) func(*testing.T) string {
		return func(t *testing.T) string { t.Helper(); return s.listen(t, "tcp", "127.0.0.1:0") }
	}
	strict := func() *socksServer { return &socksServer{user: "u", password: proxySecret} }
	hanging := func(step string) func(*testing.T) string {
		s := strict()
		s.hang = step
		return server(s)
	}
	cutting := func(step string) func(*testing.T) string {
		s := strict()
		s.cut = step
		return server(s)
	}
	for _, tt := range []struct {
		name     string
		proxy    func(*testing.T) string
		user     string
		password string
		step     kio.ProxyStep
		reply    kio.ProxyReply
		is       error // nil: none in particular
		timeout  bool
		text     string
	}{
		{"nobody listens", closed, "", "", kio.ProxyConnect, 0, syscall.ECONNREFUSED, false, "the proxy itself"},
		{"its name is unknown", func(*testing.T) string { return "proxy.invalid:1080" }, "", "", kio.ProxyConnect, 0, nil, false, "the proxy's own name"},
		{"no credentials", server(strict()), "", "", kio.ProxyGreeting, 0, nil, false, "set SOCKS5Config.User"},
		{"wrong password", server(strict()), "u", proxySecret + "x", kio.ProxyAuth, 0, nil, false, "refuses user and password"},
		{"wrong user", server(strict()), "v", proxySecret, kio.ProxyAuth, 0, nil, false, "refuses user and password"},
		{"takes neither", server(&socksServer{method: 0xff}), "u", proxySecret, kio.ProxyGreeting, 0, nil, false, "neither"},
		{"an unknown method", server(&socksServer{method: 1}), "u", proxySecret, kio.ProxyGreeting, 0, nil, false, "unsupported authentication method 1"},
		{"a method that was not offered", server(&socksServer{method: 2}), "", "", kio.ProxyGreeting, 0, nil, false, "not offered"},
		{"a failure", server(&socksServer{reply: 1}), "", "", kio.ProxyRequest, kio.ProxyFailure, nil, false, "general failure of the proxy (1)"},
		{"forbidden", server(&socksServer{reply: 2}), "", "", kio.ProxyRequest, kio.ProxyNotAllowed, nil, false, "rules forbid"},
		{"no network", server(&socksServer{reply: 3}), "", "", kio.ProxyRequest, kio.ProxyNetworkUnreachable, nil, false, "network unreachable (3)"},
		{"not resolved", server(&socksServer{}), "", "", kio.ProxyRequest, kio.ProxyHostUnreachable, nil, false, "host unreachable (4): the proxy cannot resolve or reach the broker"},
		{"refused", server(&socksServer{reply: 5}), "", "", kio.ProxyRequest, kio.ProxyConnectionRefused, nil, false, "the broker is down"},
		{"expired", server(&socksServer{reply: 6}), "", "", kio.ProxyRequest, kio.ProxyExpired, nil, false, "(6)"},
		{"no such command", server(&socksServer{reply: 7}), "", "", kio.ProxyRequest, kio.ProxyNoSuchCommand, nil, false, "(7)"},
		{"no such type", server(&socksServer{reply: 8}), "", "", kio.ProxyRequest, kio.ProxyNoSuchAddressType, nil, false, "(8)"},
		{"a reply of its own", server(&socksServer{reply: 200}), "", "", kio.ProxyRequest, 200, nil, false, "unknown reply (200)"},
		{"hangs at once", hanging(atGreeting), "u", proxySecret, kio.ProxyGreeting, 0, os.ErrDeadlineExceeded, true, "did not answer"},
		{"hangs at authentication", hanging(atAuth), "u", proxySecret, kio.ProxyAuth, 0, os.ErrDeadlineExceeded, true, "authentication: "},
		{"hangs at the request", hanging(atRequest), "u", proxySecret, kio.ProxyRequest, 0, context.DeadlineExceeded, true, "the proxy is slow"},
		{"cuts at once", cutting(atGreeting), "u", proxySecret, kio.ProxyGreeting, 0, io.ErrUnexpectedEOF, false, "did not answer"},
		{"cuts at authentication", cutting(atAuth), "u", proxySecret, kio.ProxyAuth, 0, io.ErrUnexpectedEOF, false, "check SOCKS5Config.User"},
		{"cuts at the request", cutting(atRequest), "u", proxySecret, kio.ProxyRequest, 0, io.ErrUnexpectedEOF, false, "in place of a reply"},
		{"ends at once", script(hostile.CloseOnAccept), "", "", kio.ProxyGreeting, 0, nil, false, "did not answer"},
		{"no proxy at all", script(on(sends("HTTP/1.1 400 Bad Request\r\n\r\n"))), "", "", kio.ProxyGreeting, 0, nil, false, "is not SOCKS5"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				at := tt.proxy(t)
				names := net.Dialer{Resolver: startNameServer(t, zone{}, nil).resolver()}
				cfg.Dialer = mustSOCKS5(t, kio.SOCKS5Config{Addr: at, User: tt.user, Password: tt.password, Dialer: names.DialContext})
				if tt.timeout {
					cfg.DialTimeout = 5 * short
				}
				var log bytes.Buffer
				cfg.Debug, cfg.Logger = &kio.Debug{Level: 2}, slog.New(slog.NewTextHandler(&log, nil))
				_, err := kio.DialBroker(t.Context(), advertised, cfg)
				e := withCode(t, err, kio.CodeCannotConnect)
				var p *kio.ProxyError
				if !errors.As(err, &p) || p.Proxy != at || p.Target != advertised || p.Step != tt.step || p.Reply != tt.reply || p.Err == nil {
					t.Errorf("%v is %+v, want a *ProxyError of %s at %q, reply %d", err, p, at, tt.step, tt.reply)
				}
				if tt.is != nil {
					wantIs(t, err, tt.is)
				}
				if o := asOpenError(t, err); o.Step != kio.StepProxy || e.Timeout() != tt.timeout || p.Timeout() != tt.timeout || !e.SafeToRetry() {
					t.Errorf("%v: failed at %q, timeout %t, %t, safe %t; want the proxy, timeout %t, safe", err, o.Step, e.Timeout(), p.Timeout(), e.SafeToRetry(), tt.timeout)
				}
				for _, text := range []string{tt.text, "proxy " + at + ": "} {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("error %q, want %q in it", err, text)
					}
				}
				if said := fmt.Sprintf("%v %+v %#v %+v %#v %s", err, err, err, p, p, log.String()); strings.Contains(said, proxySecret) {
					t.Errorf("the password is told: %s", said)
				}
				t.Log(err)
			})
		})
	}
}

func TestADialThroughAProxyIsCanceled(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := &socksServer{hang: atRequest}
		cfg.Dialer = mustSOCKS5(t, kio.SOCKS5Config{Addr: s.listen(t, "tcp", "127.0.0.1:0")})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() {
			_, err := kio.Dial(ctx, advertised, cfg)
			ended <- err
		}()
		eventually(t, "the proxy is asked", func() bool { return len(s.asked()) == 1 })
		cancel()
		select {
		case err := <-ended:
			wantIs(t, withCode(t, err, kio.CodeCannotConnect), context.Canceled)
		case <-time.After(patience):
			t.Fatal("the dial goes on after its context's end")
		}
	})
}

func TestSOCKS5Config(t *testing.T) {
	for _, tt := range []struct {
		cfg  kio.SOCKS5Config
		text string
	}{
		{kio.SOCKS5Config{}, "has no host"},
		{kio.SOCKS5Config{Addr: "socks5://proxy:1080"}, "is a URL"},
		{kio.SOCKS5Config{Addr: "proxy:0"}, "has port 0"},
		{kio.SOCKS5Config{Addr: "proxy", Password: proxySecret}, "User is not"},
		{kio.SOCKS5Config{Addr: "proxy", User: strings.Repeat("u", 256)}, "User has 256 bytes"},
		{kio.SOCKS5Config{Addr: "proxy", User: "u", Password: strings.Repeat(proxySecret, 20)}, "Password has 260 bytes"},
	} {
		d, err := kio.SOCKS5(tt.cfg)
		if e := withCode(t, err, kio.CodeInvalidArgument); d != nil || !e.SafeToRetry() || !strings.Contains(err.Error(), tt.text) || strings.Contains(err.Error(), proxySecret) {
			t.Errorf("%v: error %q, want %q in it", tt.cfg, err, tt.text)
		}
	}
	cfg := kio.SOCKS5Config{Addr: "proxy:1080", User: "u", Password: proxySecret}
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("proxy", "config", cfg)
	slog.New(slog.NewTextHandler(&log, nil)).Info("proxy", "config", cfg)
	said := fmt.Sprintf("%v %+v %#v %s %q %x %v", cfg, cfg, cfg, cfg, cfg, cfg, &cfg) + log.String()
	if strings.Contains(said, proxySecret) || strings.Contains(said, fmt.Sprintf("%x", proxySecret)) || !strings.Contains(said, "proxy:1080") {
		t.Errorf("%s; want all but the password", said)
	}
	_, err := mustSOCKS5(t, cfg)(t.Context(), "unix", "/run/s")
	var p *kio.ProxyError
	if !errors.As(err, &p) || !strings.Contains(err.Error(), "over TCP only") {
		t.Errorf("a Unix socket through a proxy: %v, want it refused", err)
	}
}
