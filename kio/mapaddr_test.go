package kio_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"path/filepath"
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

// mapTo sends every address to one, and remembers what it was asked.
type mapTo struct {
	to string

	mu    sync.Mutex
	asked []string
}

func (m *mapTo) addr(addr string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, addr)
	return m.to
}

func (m *mapTo) last(t *testing.T) string {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.asked) == 0 {
		t.Fatal("the map was not asked")
	}
	return m.asked[len(m.asked)-1]
}

// relay is a Unix socket that leads to a TCP address, as a tunnel's end does.
func relay(t *testing.T, addr string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Skip(err)
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			running.Go(func() { splice(c, addr) })
		}
	})
	t.Cleanup(func() {
		_ = ln.Close()
		running.Wait()
	})
	return path
}

// splice joins c to addr until either end closes.
func splice(c net.Conn, addr string) {
	defer c.Close()
	behind, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	join(c, behind)
}

// join copies both ways until either side ends, and closes both. It copies by itself: package net would splice through pipes that it keeps until the garbage
// collector comes, and the leak check would find them.
func join(a, b net.Conn) {
	var copying sync.WaitGroup
	for _, way := range [][2]net.Conn{{a, b}, {b, a}} {
		copying.Go(func() {
			_, _ = io.Copy(struct{ io.Writer }{way[0]}, way[1])
			_ = a.Close()
			_ = b.Close()
		})
	}
	copying.Wait()
}

// Nobody could resolve b1.invalid (RFC 2606): a connection that comes about has gone by the map.
const advertised = "b1.invalid:9093"

func TestAMappedConnectionKeepsItsName(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		_, addr := fakeKafka(t, "topic")
		for _, to := range []string{addr, "unix:" + relay(t, addr)} {
			m := &mapTo{to: to}
			cfg.MapAddr = m.addr
			b := mustDialBroker(t, advertised, cfg)
			ask(t, b)
			if got := m.last(t); got != advertised {
				t.Errorf("the map was asked for %q, want %q", got, advertised)
			}
			if b.Addr() != advertised || b.Stats().Addr != advertised {
				t.Errorf("Addr is %q, in Stats %q; want %q", b.Addr(), b.Stats().Addr, advertised)
			}
			if got, want := b.RemoteAddr().String(), strings.TrimPrefix(to, "unix:"); got != want {
				t.Errorf("RemoteAddr is %q, want %q", got, want)
			}
			_ = b.Close()
			_, err := b.RoundTrip(t.Context(), request(3, 9, "body"))
			if e := asError(t, err); e.Addr != advertised || e.MappedTo != to {
				t.Errorf("%v is of %q, mapped to %q; want %q and %q", err, e.Addr, e.MappedTo, advertised, to)
			}
		}
		m := &mapTo{to: addr}
		cfg.MapAddr = m.addr
		d := kio.Dialer{Config: cfg}
		for network, address := range map[string]string{"tcp": advertised, "tcp4": "b1.invalid", "unix": "/nowhere"} {
			nc, err := d.DialContext(t.Context(), network, address)
			if err != nil {
				t.Errorf("%s %s: %v", network, address, err)
				continue
			}
			_ = nc.Close()
			want := map[string]string{"tcp": advertised, "tcp4": "b1.invalid:9092", "unix": "unix:/nowhere"}[network]
			if got := m.last(t); got != want {
				t.Errorf("the map was asked for %q, want %q", got, want)
			}
			_, err = nc.Write([]byte{1})
			if e := asError(t, err); e.Addr != want || e.MappedTo != addr || !strings.Contains(err.Error(), want+" (mapped to "+addr+"): ") {
				t.Errorf("error %v of a closed connection, want it of %s, mapped to %s", err, want, addr)
			}
		}
	})
}

// The certificate is good for the advertised name only: not for the end of the tunnel, nor for a Unix socket.
func TestTLSVerifiesTheAdvertisedName(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		ca := newAuthority(t)
		names := make(chan string, 10)
		cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(&tls.Config{
			Certificates: []tls.Certificate{ca.named("broker.test")},
			GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { // called also where a session is resumed
				names <- h.ServerName
				return nil, nil
			},
		}))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(cluster.Close)
		addr := cluster.ListenAddrs()[0]
		cfg.TLS = &tls.Config{RootCAs: ca.pool}
		_, port, _ := net.SplitHostPort(addr)
		for _, to := range []string{addr, "localhost:" + port, "unix:" + relay(t, addr)} {
			cfg.MapAddr = (&mapTo{to: to}).addr
			ask(t, mustDialBroker(t, "broker.test:9093", cfg))
			mustDial(t, "broker.test:9093", cfg)
			for range 2 {
				if got := <-names; got != "broker.test" {
					t.Errorf("by %s, the name that was asked for is %q, want broker.test", to, got)
				}
			}
			_, err := kio.DialBroker(t.Context(), "other.test:9093", cfg)
			e, o := withCode(t, err, kio.CodeCannotConnect), asOpenError(t, err)
			if o.Step != kio.StepTLS || e.MappedTo != to || !strings.Contains(err.Error(), `"other.test"`) {
				t.Errorf("%v, mapped to %q; want a refused certificate of other.test by %s", err, e.MappedTo, to)
			}
			<-names
		}
		own := cfg.TLS.Clone()
		own.ServerName = "broker.test" // says more than any address
		cfg.TLS, cfg.MapAddr = own, (&mapTo{to: addr}).addr
		ask(t, mustDialBroker(t, "other.test:9093", cfg))
	})
}

func TestAMechanismIsToldTheAdvertisedHost(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := &strictBroker{offered: []string{"HOST"}, lifetime: time.Second, verify: func(_ string, token []byte) ([]byte, bool, int16, string) {
			return token, true, 0, ""
		}}
		cfg.AllowPlaintextSASL, cfg.MapAddr = true, (&mapTo{to: s.listen(t)}).addr
		m := &hostMechanism{}
		cfg.SASL = []sasl.Mechanism{m}
		b := mustDialBroker(t, advertised, cfg)
		if m.host != advertised || m.challenge != advertised {
			t.Errorf("the mechanism was told %q, and the broker answered %q; want %q", m.host, m.challenge, advertised)
		}
		_ = b.Close()
	})
	t.Run("SCRAM", func(t *testing.T) {
		onEachDriver(t, func(t *testing.T, cfg kio.Config) {
			cfg.MapAddr = (&mapTo{to: saslKafka(t)}).addr
			cfg.SASL = []sasl.Mechanism{bob}
			ask(t, mustDialBroker(t, advertised, cfg))
		})
	})
}

// TestTheMapIsAskedOnceForEachDial, also where the mechanisms need more than one connection.
func TestTheMapIsAskedOnceForEachDial(t *testing.T) {
	cfg := config(t)
	s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret")}
	m := &mapTo{to: s.listen(t)}
	cfg.AllowPlaintextSASL, cfg.MapAddr = true, m.addr
	cfg.SASL = []sasl.Mechanism{bob, alice}
	mustDialBroker(t, advertised, cfg)
	if n := len(m.asked); n != 1 {
		t.Errorf("the map was asked %d times, want once", n)
	}
}

func TestAMapThatChangesNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		l := hostile.Listen(t, hostile.Echo)
		for name, m := range map[string]func(string) string{
			"nil":      nil,
			"empty":    func(string) string { return "" },
			"identity": func(addr string) string { return addr },
		} {
			cfg.MapAddr, cfg.IPVersion = m, kio.IPAny
			c := mustDial(t, l.Addr(), cfg)
			_ = c.Close()
			_, err := c.Send([]byte{1}, 0)
			if e := asError(t, err); c.Addr() != l.Addr() || e.MappedTo != "" || strings.Contains(err.Error(), "mapped") {
				t.Errorf("%s: %v, mapped to %q; want no word of a map", name, err, e.MappedTo)
			}
			cfg.IPVersion = kio.IPv6
			_, err = kio.Dial(t.Context(), l.Addr(), cfg)
			wantCode(t, err, kio.CodeIPVersion)
		}
	})
}

func TestWhatAMapGivesIsCompletedOrRefused(t *testing.T) {
	cfg := config(t)
	for _, tt := range []struct {
		to      string
		version kio.IPVersion
		want    string // what is dialled; "" where it is refused
		code    kio.Code
		text    string
	}{
		{to: "10.0.0.1:19092", want: "10.0.0.1:19092"},
		{to: "10.0.0.1", want: "10.0.0.1:9093"}, // keeps the port
		{to: "tunnel", want: "tunnel:9093"},
		{to: "b1.invalid", want: advertised},
		{to: "::1", want: "[::1]:9093"},
		{to: "[::1]:1", version: kio.IPv6, want: "[::1]:1"},
		{to: "unix:/run/s", version: kio.IPv6, want: "unix:/run/s"},

		{to: " ", code: kio.CodeInvalidArgument, text: "has no host"},
		{to: "http://tunnel", code: kio.CodeInvalidArgument, text: "is a URL"},
		{to: "tunnel:0", code: kio.CodeInvalidArgument, text: "has port 0"},
		{to: "a:1,b:1", code: kio.CodeInvalidArgument, text: "is a list"},
		{to: "unix:", code: kio.CodeInvalidArgument, text: "names no Unix socket"},
		{to: "10.0.0.1:1", version: kio.IPv6, code: kio.CodeIPVersion, text: "10.0.0.1 is not an address of IP version 6"},
	} {
		cfg.MapAddr, cfg.IPVersion = func(string) string { return tt.to }, tt.version
		got, err := dialledAddr(t, advertised, cfg)
		if got != tt.want {
			t.Errorf("mapped to %q: dialled %q, %v; want %q", tt.to, got, err, tt.want)
		}
		if err == nil {
			continue
		}
		e := withCode(t, err, tt.code)
		if e.Addr != advertised || e.MappedTo != tt.to || !e.SafeToRetry() || !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), "Config.MapAddr") {
			t.Errorf("mapped to %q: %v, of %q, mapped to %q; want %q, of %q", tt.to, err, e.Addr, e.MappedTo, tt.text, advertised)
		}
	}

	// The broker's own address need not be of Config.IPVersion: nothing connects to it.
	cfg.MapAddr, cfg.IPVersion = func(string) string { return "10.0.0.1" }, kio.IPv4
	if got, err := dialledAddr(t, "[2001:db8::1]:9093", cfg); got != "10.0.0.1:9093" {
		t.Errorf("dialled %q, %v; want 10.0.0.1:9093", got, err)
	}
	// But it has to be an address.
	m := &mapTo{to: "10.0.0.1"}
	cfg.MapAddr = m.addr
	if _, err := dialledAddr(t, "http://b1", cfg); err == nil || len(m.asked) != 0 {
		t.Errorf("%v after %d questions, want an error, and none", err, len(m.asked))
	}
	// A Unix socket has no port to keep.
	if got, err := dialledAddr(t, "unix:/run/s", cfg); got != "10.0.0.1:9092" {
		t.Errorf("dialled %q, %v; want the default port", got, err)
	}
}

func TestErrorsOfAMappedDialNameBothAddresses(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		l := hostile.Listen(t)
		l.Close()
		cfg.MapAddr = (&mapTo{to: l.Addr()}).addr
		var out bytes.Buffer
		cfg.Debug, cfg.Logger = &kio.Debug{Level: 1}, slog.New(slog.NewTextHandler(&out, nil))
		_, err := kio.DialBroker(t.Context(), advertised, cfg)
		wantIs(t, err, syscall.ECONNREFUSED)
		e := withCode(t, err, kio.CodeCannotConnect)
		if want := "kio: dial " + advertised + " (mapped to " + l.Addr() + "): "; e.MappedTo != l.Addr() || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %q, want it to begin with %q", err, want)
		}
		if want := "to=" + l.Addr(); !strings.Contains(out.String(), want) {
			t.Errorf("debug output %q, want %q in it", out.String(), want)
		}
		names := startNameServer(t, zone{"v4only.test": {"127.0.0.1"}}, nil)
		cfg.Resolver, cfg.IPVersion = names.resolver(), kio.IPv6
		cfg.MapAddr = (&mapTo{to: "v4only.test"}).addr
		_, err = kio.Dial(t.Context(), advertised, cfg)
		wantCode(t, err, kio.CodeIPVersion)
	})
}

// The map comes before Config.Dialer.
func TestADialerGetsTheMappedAddress(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		_, addr := fakeKafka(t, "topic")
		cfg.MapAddr = (&mapTo{to: addr}).addr
		var asked string
		cfg.Dialer = func(ctx context.Context, network, address string) (net.Conn, error) {
			asked = network + " " + address
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
		cfg.IPVersion = kio.IPv4
		ask(t, mustDialBroker(t, advertised, cfg))
		if want := "tcp4 " + addr; asked != want {
			t.Errorf("the dialer was asked for %q, want %q", asked, want)
		}
	})
}

func TestAddrMap(t *testing.T) {
	table := map[string]string{
		"b1.internal:9092":  "127.0.0.1:19092",
		"b1.internal:9093":  "", // exempt
		"b1.internal":       "10.0.0.1",
		"B2.internal":       "unix:/run/b2",
		"[2001:db8::1]:1":   "tunnel:2",
		"2001:db8::2":       "tunnel",
		"::ffff:192.0.2.1":  "v4",
		"unix:/run/s":       "localhost",
		"unix:/run/S":       "LOCALHOST",
		"b3.internal:09092": "plain",
	}
	m, err := kio.AddrMap(table)
	if err != nil {
		t.Fatal(err)
	}
	table["b4.internal"] = "too late"
	for addr, want := range map[string]string{
		"b1.internal:9092":   "127.0.0.1:19092",
		"B1.Internal:9092":   "127.0.0.1:19092",
		"b1.internal:9093":   "",
		"b1.internal:9094":   "10.0.0.1",
		"b2.INTERNAL:1":      "unix:/run/b2",
		"[2001:db8::1]:1":    "tunnel:2",
		"[2001:DB8::1]:1":    "tunnel:2",
		"[2001:db8::1]:2":    "",
		"[2001:db8::2]:7":    "tunnel",
		"192.0.2.1:9092":     "v4",
		"unix:/run/s":        "localhost",
		"unix:/run/S":        "LOCALHOST",
		"b3.internal:9092":   "plain",
		"b4.internal:9092":   "",
		"xb1.internal:9092":  "",
		"b1.internal.:9092":  "",
		"unix:b1.internal:9": "",
	} {
		if got := m(addr); got != want {
			t.Errorf("%s leads to %q, want %q", addr, got, want)
		}
	}
	if m, err := kio.AddrMap(nil); err != nil || m("b1:9092") != "" {
		t.Errorf("without a table: %v; want a map that changes nothing", err)
	}
	for _, tt := range []struct {
		table map[string]string
		texts []string
	}{
		{map[string]string{"http://b1": "x"}, []string{"map addresses http://b1: invalid argument (-1000)", "is a URL"}},
		{map[string]string{"": "x"}, []string{"has no host"}},
		{map[string]string{"b1:": "x"}, []string{"ends in a colon"}},
		{map[string]string{"b1:0": "x"}, []string{"has port 0"}},
		{map[string]string{"b1:9092": "x y"}, []string{"b1:9092", `"x y"`, "blanks"}},
		{map[string]string{"b1:9092": "unix:"}, []string{"names no Unix socket"}},
		{map[string]string{"b1:9092": "x", "B1:9092": "y"}, []string{"twice"}},
	} {
		m, err := kio.AddrMap(tt.table)
		wantCode(t, err, kio.CodeInvalidArgument)
		for _, text := range tt.texts {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%v: error %q, want %q in it", tt.table, err, text)
			}
		}
		if m != nil {
			t.Errorf("%v: a map beside the error", tt.table)
		}
	}
	if _, err := kio.AddrMap(map[string]string{"b1": "x", "B1": "x"}); err != nil {
		t.Errorf("%v; want one address twice with one value to pass", err)
	}
}

func TestNobodyAnswersAtTheMappedAddress(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.MapAddr, cfg.DialTimeout = (&mapTo{to: hostile.Listen(t, hostile.Stall).Addr()}).addr, 5*short
		_, err := kio.DialBroker(t.Context(), advertised, cfg)
		if e := asError(t, err); !e.Timeout() || !errors.Is(err, context.DeadlineExceeded) || e.MappedTo == "" {
			t.Errorf("%v, mapped to %q; want a timeout that names it", err, e.MappedTo)
		}
	})
}
