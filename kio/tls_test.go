package kio_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	bigint "math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// failer is a test, or the part of it that an example can stand in for.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// authority issues certificates.
type authority struct {
	t    failer
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t failer) *authority {
	t.Helper()
	a := &authority{t: t, pool: x509.NewCertPool()}
	der, key := a.issue(&x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	a.cert, a.key = cert, key
	a.pool.AddCert(cert)
	return a
}

// issue signs a certificate, the authority's own where it has none yet.
func (a *authority) issue(c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c.SerialNumber = bigint.NewInt(time.Now().UnixNano())
	if c.NotAfter.IsZero() {
		c.NotAfter = time.Now().Add(time.Hour)
	}
	c.NotBefore = c.NotAfter.Add(-24 * time.Hour)
	parent, signer := a.cert, a.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	return der, key
}

// server is a broker's certificate for 127.0.0.1 and a name.
func (a *authority) server(notAfter time.Time) tls.Certificate {
	der, key := a.issue(&x509.Certificate{
		DNSNames: []string{"broker.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: notAfter,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// named is a broker's certificate for one name and no address.
func (a *authority) named(name string) tls.Certificate {
	der, key := a.issue(&x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// client is a user's certificate.
func (a *authority) client() tls.Certificate {
	der, key := a.issue(&x509.Certificate{Subject: pkix.Name{CommonName: "alice"}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestSASLOverTLS(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		ca := newAuthority(t)
		addr := saslKafka(t,
			kfake.TLS(&tls.Config{Certificates: []tls.Certificate{ca.server(time.Time{})}}),
			kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "1000"}))
		_, port, _ := net.SplitHostPort(addr)
		cfg.Resolver = startNameServer(t, zone{"broker.test": {"127.0.0.1"}}, nil).resolver()
		cfg.TLS = &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS12}
		for _, at := range []string{addr, "broker.test:" + port} {
			for _, m := range []sasl.Mechanism{alice, bob, carol} {
				cfg.SASL = []sasl.Mechanism{m}
				ask(t, mustDialBroker(t, at, cfg))
			}
		}
		b := mustDialBroker(t, addr, cfg)
		eventually(t, "two re-authentications", func() bool {
			ask(t, b)
			return b.Stats().Reauthentications >= 2
		})
	})
}

func TestAFailedTLSHandshakeNamesTheLikelyCause(t *testing.T) {
	ca := newAuthority(t)
	trusting := &tls.Config{RootCAs: ca.pool, MinVersion: tls.VersionTLS12}
	serving := func(c *tls.Config) func(t *testing.T) string {
		return func(t *testing.T) string {
			t.Helper()
			cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.TLS(c))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(cluster.Close)
			return cluster.ListenAddrs()[0]
		}
	}
	good := &tls.Config{Certificates: []tls.Certificate{ca.server(time.Time{})}}
	strict := good.Clone()
	strict.ClientAuth, strict.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool
	strict12 := strict.Clone()
	strict12.MaxVersion = tls.VersionTLS12

	for _, tt := range []struct {
		name   string
		broker func(t *testing.T) string
		client *tls.Config
		steps  []kio.Step // none: it works
		texts  []string
	}{
		{"all is well", serving(good), trusting, nil, nil},
		{"mTLS", serving(strict), &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.client()}}, nil, nil},
		{"mTLS 1.2", serving(strict12), &tls.Config{RootCAs: ca.pool, Certificates: []tls.Certificate{ca.client()}}, nil, nil},
		{"plaintext to a TLS port", serving(good), nil, []kio.Step{kio.StepApiVersions}, []string{"Config.TLS"}},
		{"TLS to a plaintext port", func(t *testing.T) string {
			return hostile.Listen(t, func(p *hostile.Peer) {
				_, _ = p.ReadRequest() // whose size is absurd, so that a broker ends the connection
				_ = p.CloseWrite()
			}).Addr()
		}, trusting, []kio.Step{kio.StepTLS}, []string{"plaintext port"}},
		{"TLS to an HTTP server", func(t *testing.T) string { return hostile.Listen(t, hostile.Banner([]byte(hostile.HTTP))).Addr() }, trusting, []kio.Step{kio.StepTLS}, []string{"does not speak TLS"}},
		{"a certificate for another name", serving(good), &tls.Config{RootCAs: ca.pool, ServerName: "other.test"}, []kio.Step{kio.StepTLS}, []string{"another name"}},
		{"an expired certificate", serving(&tls.Config{Certificates: []tls.Certificate{ca.server(time.Now().Add(-time.Hour))}}), trusting, []kio.Step{kio.StepTLS}, []string{"expired"}},
		{"an unknown authority, by default", serving(good), &tls.Config{}, []kio.Step{kio.StepTLS}, []string{"authority"}},
		{"no client certificate, TLS 1.3", serving(strict), trusting, []kio.Step{kio.StepTLS, kio.StepApiVersions}, []string{"certificate"}},
		{"no client certificate, TLS 1.2", serving(strict12), trusting, []kio.Step{kio.StepTLS}, []string{"certificate"}},
		{"silence", func(t *testing.T) string { return hostile.Listen(t, hostile.Stall).Addr() }, trusting, []kio.Step{kio.StepTLS, kio.StepConnect}, []string{"deadline exceeded", "plaintext port"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				cfg.TLS = tt.client
				if tt.name == "silence" {
					cfg.DialTimeout = moment
				}
				b, err := kio.DialBroker(t.Context(), tt.broker(t), cfg)
				if err == nil {
					defer b.Close()
				}
				if len(tt.steps) == 0 {
					if err != nil {
						t.Fatal(err)
					}
					ask(t, b)
					return
				}
				wantCode(t, err, kio.CodeCannotConnect)
				o := asOpenError(t, err)
				right := false
				for _, step := range tt.steps {
					right = right || o.Step == step
				}
				if !right {
					t.Errorf("%v: failed at %q, want %q", err, o.Step, tt.steps)
				}
				for _, text := range tt.texts {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("error %q, want %q in it", err, text)
					}
				}
				t.Log(err)
			})
		})
	}
}

func TestConnectionsOfBytesSpeakTLS(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		ca := newAuthority(t)
		l := hostile.Listen(t, func(p *hostile.Peer) {
			c := tls.Server(p, &tls.Config{Certificates: []tls.Certificate{ca.server(time.Time{})}})
			_, _ = io.Copy(c, c)
		})
		cfg.TLS = &tls.Config{RootCAs: ca.pool}
		c := mustDial(t, l.Addr(), cfg)
		message := random(100_000)
		if _, err := c.Send(message, 0); err != nil {
			t.Fatal(err)
		}
		got, err := c.Receive(len(message), 0)
		if err != nil || !bytes.Equal(got, message) {
			t.Errorf("%d bytes came back, %v; want what was sent", len(got), err)
		}
		cfg.TLS = &tls.Config{}
		_, err = kio.Dial(t.Context(), l.Addr(), cfg)
		wantCode(t, err, kio.CodeCannotConnect)
		if o := asOpenError(t, err); o.Step != kio.StepTLS {
			t.Errorf("%v: failed at %q, want the TLS handshake", err, o.Step)
		}
	})
}
