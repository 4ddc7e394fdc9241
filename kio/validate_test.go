package kio_test

import (
	"context"
	"errors"
	"math"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"kafkaio/kio"
)

// errReached ends a dial that has passed validation.
var errReached = errors.New("reached the dialer")

// dialledAddr is the address that Dial passes on after validation, "" where it refuses.
func dialledAddr(t *testing.T, addr string, cfg kio.Config) (string, error) {
	t.Helper()
	var got string
	cfg.Dialer = func(_ context.Context, network, address string) (net.Conn, error) {
		got = address
		if network == "unix" {
			got = "unix:" + address
		}
		return nil, errReached
	}
	c, err := kio.Dial(t.Context(), addr, cfg)
	if err == nil {
		t.Fatalf("Dial(%q) gave %v, want an error", addr, c)
	}
	_, berr := kio.DialBroker(t.Context(), addr, cfg)
	if errors.Is(err, errReached) != errors.Is(berr, errReached) || asError(t, err).Code != asError(t, berr).Code {
		t.Errorf("Dial says %v, DialBroker %v; want both the same", err, berr)
	}
	if errors.Is(err, errReached) {
		return got, nil
	}
	return "", err
}

func TestAddressIsCompletedOrRefused(t *testing.T) {
	cfg := config(t)
	const bad, version = kio.CodeInvalidArgument, kio.CodeIPVersion
	for _, tt := range []struct {
		addr    string
		version kio.IPVersion
		want    string   // what is dialled; "" where it is refused
		code    kio.Code // of the refusal
		text    string   // in it
	}{
		{addr: "localhost:9093", want: "localhost:9093"},
		{addr: "localhost", want: "localhost:9092"},
		{addr: "localhost", version: kio.IPv4, want: "localhost:9092"},
		{addr: "localhost", version: kio.IPv6, want: "localhost:9092"},
		{addr: "broker-1.example.com:1", want: "broker-1.example.com:1"},
		{addr: "host:65535", want: "host:65535"},
		{addr: "host:0009092", want: "host:9092"},
		{addr: "127.0.0.1", want: "127.0.0.1:9092"},
		{addr: "127.0.0.1:9093", version: kio.IPv4, want: "127.0.0.1:9093"},
		{addr: "::1", want: "[::1]:9092"},
		{addr: "::1", version: kio.IPv6, want: "[::1]:9092"},
		{addr: "[::1]", want: "[::1]:9092"},
		{addr: "[::1]:9093", version: kio.IPv6, want: "[::1]:9093"},
		{addr: "0:0:0:0:0:0:0:1", want: "[0:0:0:0:0:0:0:1]:9092"},
		{addr: "[0:0:0:0:0:0:0:1]:9093", version: kio.IPv6, want: "[0:0:0:0:0:0:0:1]:9093"},
		{addr: "2001:db8::1:9093", want: "[2001:db8::1:9093]:9092"},
		{addr: "[fe80::1%eth0]:9092", want: "[fe80::1%eth0]:9092"},
		{addr: "[::ffff:192.0.2.1]:9092", version: kio.IPv4, want: "192.0.2.1:9092"},
		{addr: "unix:/run/broker.sock", want: "unix:/run/broker.sock"},
		{addr: "unix:/run/broker.sock", version: kio.IPv6, want: "unix:/run/broker.sock"},
		{addr: "unix:relative:name", want: "unix:relative:name"},

		{addr: "", code: bad, text: "has no host"},
		{addr: "   ", code: bad, text: `"   ": invalid argument (-1000): address has no host`},
		{addr: "\t\n", code: bad, text: "has no host"},
		{addr: ":9092", code: bad, text: "has no host"},
		{addr: "  :9092", code: bad, text: "has no host"},
		{addr: "[]:9092", code: bad, text: "has no host"},
		{addr: "[ ]:9092", code: bad, text: "has no host"},
		{addr: "my host:9092", code: bad, text: "blanks"},
		{addr: " host:9092", code: bad, text: "blanks"},
		{addr: "host\x00:9092", code: bad, text: "control characters"},
		{addr: "host:", code: bad, text: "ends in a colon"},
		{addr: "[::1]:", code: bad, text: "ends in a colon"},
		{addr: "host:0", code: bad, text: "has port 0: give one from 1 to 65535"},
		{addr: "host:-1", code: bad, text: "has port -1"},
		{addr: "host:65536", code: bad, text: "has port 65536"},
		{addr: "host:74628", code: bad, text: "has port 74628"}, // 65536 + 9092: once wrapped to 9092
		{addr: "host:99999999999999999999", code: bad, text: "has port 99999999999999999999"},
		{addr: "host:+9092", code: bad, text: `has "+9092" for a port`},
		{addr: "host:kafka", code: bad, text: `has "kafka" for a port`},
		{addr: "host:90 92", code: bad, text: `has "90 92" for a port`},
		{addr: "host:0x10", code: bad, text: `has "0x10" for a port`},
		{addr: "host:٣", code: bad, text: "for a port"},
		{addr: "[::1]:0", code: bad, text: "has port 0"},
		{addr: "[::1", code: bad, text: "no closing one"},
		{addr: "[::1]9092", code: bad, text: "goes on after its bracket"},
		{addr: "[localhost]:9092", code: bad, text: "something other than an IPv6 address"},
		{addr: "[127.0.0.1]:9092", code: bad, text: "something other than an IPv6 address"},
		{addr: "a:b:c", code: bad, text: "neither host:port nor an IPv6 address"},
		{addr: "kafka://host:9092", code: bad, text: "is a URL"},
		{addr: "a:9092,b:9092", code: bad, text: "is a list"},
		{addr: "unix:", code: bad, text: "names no Unix socket"},
		{addr: "unix:/a\x00b", code: bad, text: "names no Unix socket"},

		{addr: "127.0.0.1", version: kio.IPv6, code: version, text: "127.0.0.1 is not an address of IP version 6"},
		{addr: "127.0.0.1:9092", version: kio.IPv6, code: version, text: "IP version 6"},
		{addr: "::1", version: kio.IPv4, code: version, text: "::1 is not an address of IP version 4"},
		{addr: "[::1]:9092", version: kio.IPv4, code: version, text: "IP version 4"},
		{addr: "0:0:0:0:0:0:0:1", version: kio.IPv4, code: version, text: "IP version 4"},
		{addr: "::ffff:192.0.2.1", version: kio.IPv6, code: version, text: "IP version 6"},
	} {
		cfg.IPVersion = tt.version
		got, err := dialledAddr(t, tt.addr, cfg)
		if got != tt.want || (err == nil) != (tt.code == 0) {
			t.Errorf("address %q, version %d: dialled %q, error %v; want %q", tt.addr, tt.version, got, err, tt.want)
			continue
		}
		if err == nil {
			continue
		}
		e := withCode(t, err, tt.code)
		if !strings.Contains(err.Error(), tt.text) || e.Addr != tt.addr || !e.SafeToRetry() || e.Timeout() {
			t.Errorf("address %q: error %q of %q, safe %t, timeout %t; want %q in it, safe and no timeout", tt.addr, err, e.Addr, e.SafeToRetry(), e.Timeout(), tt.text)
		}
	}
}

func TestConfigIsBounded(t *testing.T) {
	base := config(t)
	const most = math.MaxInt32
	for _, tt := range []struct {
		name string
		set  func(c *kio.Config)
		text string // of the refusal; "" where it passes
	}{
		{"zero value", func(*kio.Config) {}, ""},
		{"Timeout", func(c *kio.Config) { c.Timeout = -1 }, "Config.Timeout is -1ns, want at least 0s: use 0 for the default"},
		{"Timeout, least", func(c *kio.Config) { c.Timeout = 1 }, ""},
		{"Timeout, most", func(c *kio.Config) { c.Timeout = math.MaxInt64 }, ""},
		{"DialTimeout", func(c *kio.Config) { c.DialTimeout = -time.Second }, "Config.DialTimeout is -1s"},
		{"MaxAbandonedAge", func(c *kio.Config) { c.MaxAbandonedAge = -1 }, "Config.MaxAbandonedAge is -1ns"},
		{"MaxStall off", func(c *kio.Config) { c.MaxStall = -1 }, ""},
		{"MaxStall, most", func(c *kio.Config) { c.MaxStall = math.MaxInt64 }, ""},
		{"KeepAliveIdle off", func(c *kio.Config) { c.KeepAliveIdle = -1 }, ""},
		{"KeepAliveIdle, most", func(c *kio.Config) { c.KeepAliveIdle = 32767 * time.Second }, ""},
		{"KeepAliveIdle", func(c *kio.Config) { c.KeepAliveIdle = 32767*time.Second + 1 }, "Config.KeepAliveIdle is 9h6m7.000000001s, want at most 9h6m7s"},
		{"KeepAliveInterval", func(c *kio.Config) { c.KeepAliveInterval = -1 }, "Config.KeepAliveInterval is -1ns"},
		{"KeepAliveInterval, long", func(c *kio.Config) { c.KeepAliveInterval = 10 * time.Hour }, "Config.KeepAliveInterval is 10h0m0s"},
		{"KeepAliveCount", func(c *kio.Config) { c.KeepAliveCount = -1 }, "Config.KeepAliveCount is -1, want 0 to 127"},
		{"KeepAliveCount, most", func(c *kio.Config) { c.KeepAliveCount = 127 }, ""},
		{"KeepAliveCount, many", func(c *kio.Config) { c.KeepAliveCount = 128 }, "Config.KeepAliveCount is 128"},
		{"UserTimeout off", func(c *kio.Config) { c.UserTimeout = -1 }, ""},
		{"UserTimeout", func(c *kio.Config) { c.UserTimeout = 25 * 24 * time.Hour }, "Config.UserTimeout is 600h0m0s, want at most 596h31m23.647s"},
		{"MaxFrameBytes, most", func(c *kio.Config) { c.MaxFrameBytes = most }, ""},
		{"MaxFrameBytes, negative", func(c *kio.Config) { c.MaxFrameBytes = -1 }, "Config.MaxFrameBytes is -1, want 0 to 2147483647"},
		{"MaxRequestBytes, negative", func(c *kio.Config) { c.MaxRequestBytes = -1 }, "Config.MaxRequestBytes is -1"},
		{"MaxInFlight", func(c *kio.Config) { c.MaxInFlight = -1 }, "Config.MaxInFlight is -1"},
		{"MaxPendingBytes", func(c *kio.Config) { c.MaxPendingBytes = -1 }, "Config.MaxPendingBytes is -1"},
		{"MaxAbandoned", func(c *kio.Config) { c.MaxAbandoned = -1 }, "Config.MaxAbandoned is -1"},
		{"ReadBufferBytes", func(c *kio.Config) { c.ReadBufferBytes = -1 }, "Config.ReadBufferBytes is -1"},
		{"WriteBufferBytes", func(c *kio.Config) { c.WriteBufferBytes = -1 }, "Config.WriteBufferBytes is -1"},
		{"IPVersion 4", func(c *kio.Config) { c.IPVersion = kio.IPv4 }, ""},
		{"IPVersion 6", func(c *kio.Config) { c.IPVersion = kio.IPv6 }, ""},
		{"IPVersion 5", func(c *kio.Config) { c.IPVersion = 5 }, "Config.IPVersion is 5, want 4, 6, or 0 for both"},
		{"IPVersion -4", func(c *kio.Config) { c.IPVersion = -4 }, "Config.IPVersion is -4"},
		{"ClientID, longest", func(c *kio.Config) { c.ClientID = strings.Repeat("x", math.MaxInt16) }, ""},
		{"ClientID", func(c *kio.Config) { c.ClientID = strings.Repeat("x", math.MaxInt16+1) }, "Config.ClientID has 32768 bytes, want at most 32767"},
		{"Debug", func(c *kio.Config) { c.Debug = &kio.Debug{Level: -1} }, "Config.Debug.Level is -1"},
	} {
		cfg := base
		tt.set(&cfg)
		_, err := dialledAddr(t, "localhost:9092", cfg)
		if tt.text == "" {
			if err != nil {
				t.Errorf("%s: refused with %v, want it to pass", tt.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.text)
			continue
		}
		wantCode(t, err, kio.CodeInvalidArgument)
	}
	if math.MaxInt > math.MaxInt32 {
		tooMuch := most // a variable, so that it compiles where int has 32 bits
		tooMuch++
		for name, set := range map[string]func(c *kio.Config){
			"Config.MaxFrameBytes is 2147483648":   func(c *kio.Config) { c.MaxFrameBytes = tooMuch },
			"Config.MaxRequestBytes is 2147483648": func(c *kio.Config) { c.MaxRequestBytes = tooMuch },
		} {
			cfg := base
			set(&cfg)
			if _, err := dialledAddr(t, "localhost:9092", cfg); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("error %v, want %q in it", err, name)
			}
		}
	}
}

func TestValidationComesBeforeTheResolver(t *testing.T) {
	cfg := config(t)
	var asked atomic.Int32
	cfg.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		asked.Add(1)
		return nil, errReached
	}}
	cfg.Timeout = -1
	if _, err := kio.Dial(t.Context(), "name.test:9092", cfg); err == nil {
		t.Error("a negative timeout passed")
	}
	cfg.Timeout = 0
	if _, err := kio.Dial(t.Context(), "name.test:0", cfg); err == nil {
		t.Error("port 0 passed")
	}
	if n := asked.Load(); n != 0 {
		t.Errorf("the resolver was asked %d times, want never", n)
	}
}
