package loop_test

import (
	"crypto/tls"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// TestConnectToSeparatesThePlaceFromTheName: the certificate is for peer.invalid alone, which no name server knows.
func TestConnectToSeparatesThePlaceFromTheName(t *testing.T) {
	const peer = "peer.invalid:9093"
	a := newAuthority(t)
	server := &tls.Config{Certificates: []tls.Certificate{a.certificate(t, time.Now().Add(time.Hour), "peer.invalid")}}
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := tlsBroker(t, server, nil)
		cfg := loop.DialConfig{TLS: &tls.Config{RootCAs: a.pool}, ConnectTo: b.Addr()}
		c, err := e.Dial(t.Context(), peer, cfg)
		if err != nil {
			t.Fatal(err)
		}
		r := request(1, body(1, 100))
		got, err := c.RoundTrip(t.Context(), r, patience)
		if err != nil {
			t.Fatal(err)
		}
		checkMirrored(t, r, got)
		if c.Addr() != peer || c.Stats().Addr != peer || c.ConnectedTo() != b.Addr() || c.RemoteAddr().String() != b.Addr() {
			t.Errorf("Addr %s, in Stats %s, ConnectedTo %s, RemoteAddr %v; want %s twice and %s twice", c.Addr(), c.Stats().Addr, c.ConnectedTo(), c.RemoteAddr(), peer, b.Addr())
		}
		s, err := e.DialStream(t.Context(), peer, cfg)
		if err != nil {
			t.Fatal(err)
		}
		if s.Addr() != peer || s.ConnectedTo() != b.Addr() || s.RemoteAddr().String() != b.Addr() {
			t.Errorf("of the stream: Addr %s, ConnectedTo %s, RemoteAddr %v; want %s and %s twice", s.Addr(), s.ConnectedTo(), s.RemoteAddr(), peer, b.Addr())
		}
		_ = s.Close()

		var failed *loop.OpError
		var handshake *loop.HandshakeError
		if _, err = e.Dial(t.Context(), "other.invalid:9093", cfg); !errors.As(err, &failed) || failed.Addr != "other.invalid:9093" || !errors.As(err, &handshake) || handshake.ServerName != "other.invalid" {
			t.Errorf("%v, want a refused certificate of other.invalid", err)
		}
		if _, err = e.DialStream(t.Context(), "other.invalid:9093", cfg); !errors.As(err, &handshake) || handshake.ServerName != "other.invalid" {
			t.Errorf("%v of a stream, want a refused certificate of other.invalid", err)
		}
	})
}

func TestConnectToAUnixSocket(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Skip(err)
		}
		defer ln.Close()
		for addr, to := range map[string]string{"peer.invalid:9092": "unix:" + path, "unix:" + path: ""} {
			c, err := e.Dial(t.Context(), addr, loop.DialConfig{ConnectTo: to})
			if err != nil {
				t.Fatal(err)
			}
			if c.Addr() != addr || c.ConnectedTo() != "unix:"+path || c.RemoteAddr().String() != path {
				t.Errorf("Addr %s, ConnectedTo %s, RemoteAddr %v; want %s, and %s twice", c.Addr(), c.ConnectedTo(), c.RemoteAddr(), addr, path)
			}
			_ = c.Close()
		}
		b := hostileBroker(t, hostile.Stall)
		c, err := e.Dial(t.Context(), "unix:/nowhere", loop.DialConfig{ConnectTo: b.Addr()})
		if err != nil {
			t.Fatal(err)
		}
		if c.RemoteAddr().String() != b.Addr() {
			t.Errorf("RemoteAddr is %v, want %s", c.RemoteAddr(), b.Addr())
		}
	})
}
