package identity_test

import (
	"crypto/tls"
	"errors"
	"net"
	"testing"

	"kafkaio/stress/peers/internal/identity"
	"kafkaio/stress/peers/internal/work"
)

// handshake lets both ends meet and returns what each says. The server sends a
// byte, because in TLS 1.3 a client learns of a refusal by its first read.
func handshake(t *testing.T, server, client *tls.Config) (curve tls.CurveID, atServer, atClient error) {
	t.Helper()
	ln, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ended := make(chan error, 1)
	go func() {
		nc, err := ln.Accept()
		if err == nil {
			_, err = nc.Write([]byte{1})
			err = errors.Join(err, nc.Close())
		}
		ended <- err
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	client = client.Clone()
	client.ServerName = "127.0.0.1"
	tc := tls.Client(nc, client)
	_, atClient = tc.Read(make([]byte, 1))
	return tc.ConnectionState().CurveID, <-ended, atClient
}

func TestBothEndsTrustEachOther(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	for _, d := range []string{dir, other} {
		if err := identity.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	client, err := identity.Client(dir)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := identity.Client(other)
	if err != nil {
		t.Fatal(err)
	}
	nameless := client.Clone()
	nameless.Certificates = nil
	impostor := client.Clone()
	impostor.Certificates = stranger.Certificates
	cases := map[string]struct {
		client *tls.Config
		server work.Security
		ok     bool
	}{
		"TLS":                          {client, work.TLS, true},
		"TLS, no client certificate":   {nameless, work.TLS, true},
		"TLS, another authority":       {stranger, work.TLS, false},
		"hybrid":                       {client, work.HybridTLS, true},
		"mutual":                       {client, work.MutualTLS, true},
		"mutual, no certificate":       {nameless, work.MutualTLS, false},
		"mutual, another's own client": {impostor, work.MutualTLS, false},
	}
	for name, tc := range cases {
		server, err := identity.Server(dir, tc.server)
		if err != nil {
			t.Fatal(err)
		}
		curve, atServer, atClient := handshake(t, server, tc.client)
		if ok := atServer == nil && atClient == nil; ok != tc.ok {
			t.Errorf("%s: server %v, client %v; want success %v", name, atServer, atClient, tc.ok)
		}
		if hybrid := curve == tls.X25519MLKEM768; tc.ok && hybrid != (tc.server == work.HybridTLS) {
			t.Errorf("%s: key exchange by %v", name, curve)
		}
	}
}

func TestAFolderWithoutFiles(t *testing.T) {
	if _, err := identity.Server(t.TempDir(), work.TLS); err == nil {
		t.Error("Server: no error")
	}
	if _, err := identity.Client(t.TempDir()); err == nil {
		t.Error("Client: no error")
	}
}
