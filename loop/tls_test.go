package loop_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"errors"
	"io"
	"math/big"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// authority issues certificates for tests.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	a := &authority{pool: x509.NewCertPool()}
	c, key := issue(t, nil, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	})
	a.cert, a.key = c, key
	a.pool.AddCert(c)
	return a
}

func issue(t *testing.T, by *authority, template *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = big.NewInt(mathrand.Int64())
	parent, signer := template, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c, key
}

// certificate is one for 127.0.0.1 and localhost, or for the names given, valid until then.
func (a *authority) certificate(t *testing.T, until time.Time, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		Subject: pkix.Name{CommonName: "test"}, NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: until, DNSNames: names,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	if len(names) == 0 {
		template.DNSNames = []string{"localhost"}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
	}
	c, key := issue(t, a, template)
	return tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key}
}

// tlsBroker serves frames over TLS: each request is answered with its own body.
func tlsBroker(t *testing.T, cfg *tls.Config, between func(net.Conn) net.Conn) *hostile.Broker {
	t.Helper()
	return hostileBroker(t, hostile.Func(func(nc net.Conn) {
		if between != nil {
			nc = between(nc)
		}
		tc := tls.Server(nc, cfg)
		serveFrames(tc)
		_ = tc.Close()
	}))
}

func serveFrames(c io.ReadWriter) {
	var size [4]byte
	for {
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		r := make([]byte, binary.BigEndian.Uint32(size[:]))
		if _, err := io.ReadFull(c, r); err != nil {
			return
		}
		answer := binary.BigEndian.AppendUint32(nil, uint32(len(r)-4))
		if _, err := c.Write(append(append(answer, r[4:8]...), r[8:]...)); err != nil {
			return
		}
	}
}

func dialTLS(t *testing.T, e *loop.Engine, addr string, cfg *tls.Config) (*loop.Conn, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return e.Dial(ctx, addr, loop.DialConfig{TLS: cfg})
}

func TestTLSCarriesRequestsOfAllSizes(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		for _, mutual := range []bool{false, true} {
			t.Run(tls.VersionName(version), func(t *testing.T) {
				eachDriver(t, func(t *testing.T, e *loop.Engine) {
					server := &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: version}
					client := &tls.Config{RootCAs: a.pool}
					if mutual {
						server.ClientAuth, server.ClientCAs = tls.RequireAndVerifyClientCert, a.pool
						client.Certificates = []tls.Certificate{a.certificate(t, time.Now().Add(time.Hour))}
					}
					b := tlsBroker(t, server, nil)
					for range 2 { // the second resumes the session of the first
						c, err := dialTLS(t, e, b.Addr(), client)
						if err != nil {
							t.Fatal(err)
						}
						for i, n := range []int{0, 1, 1000, 16 << 10, 100_000, 3 << 20} {
							r := request(int32(i), body(i, n))
							got, err := c.RoundTrip(t.Context(), r, 2*patience)
							if err != nil {
								t.Fatalf("%d bytes: %v", n, err)
							}
							checkMirrored(t, r, got)
						}
						var wg sync.WaitGroup
						for g := range 16 {
							wg.Go(func() {
								for i := range 20 {
									r := request(int32(g<<8|i), body(g, (g*i*37)%9000))
									got, err := c.RoundTrip(t.Context(), r, 2*patience)
									if err != nil {
										t.Error(err)
										return
									}
									checkMirrored(t, r, got)
								}
							})
						}
						wg.Wait()
						_ = c.Close()
					}
				})
			})
		}
	}
}

// crumbs is a connection that writes in pieces of random length, so that records arrive split anywhere.
type crumbs struct {
	net.Conn
	random *mathrand.Rand
}

func (c crumbs) Write(p []byte) (n int, err error) {
	for n < len(p) {
		m, err := c.Conn.Write(p[n:min(len(p), n+1+c.random.IntN(1+c.random.IntN(700)))])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func TestTLSRecordsMayArriveSplitAnywhere(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for seed := range 6 {
			b := tlsBroker(t, &tls.Config{Certificates: []tls.Certificate{cert}}, func(nc net.Conn) net.Conn {
				_ = nc.(interface{ SetNoDelay(bool) error }).SetNoDelay(true)
				return crumbs{nc, mathrand.New(mathrand.NewPCG(1, uint64(seed)))}
			})
			c, err := dialTLS(t, e, b.Addr(), &tls.Config{RootCAs: a.pool})
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				r := request(int32(i), body(i, i*i*100))
				got, err := c.RoundTrip(t.Context(), r, patience)
				if err != nil {
					t.Fatal(err)
				}
				checkMirrored(t, r, got)
			}
			_ = c.Close()
		}
	})
}

func TestTLSPeerThatDoesNotReadStallsItsSendersOnly(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		read := make(chan struct{})
		b := hostileBroker(t, hostile.Func(func(nc net.Conn) {
			tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
			if tc.Handshake() != nil {
				return
			}
			<-read
			serveFrames(tc)
		}))
		c, err := dialTLS(t, e, b.Addr(), &tls.Config{RootCAs: a.pool})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				r := request(int32(i), body(i, 4<<20))
				got, err := c.RoundTrip(t.Context(), r, 6*patience)
				if err != nil {
					t.Error(err)
					return
				}
				checkMirrored(t, r, got)
			})
		}
		eventually(t, "a stall", func() bool { return c.Stats().Stalls > 0 })
		close(read)
		within(t, 6*patience, "callers", wg.Wait)
	})
}

func TestTLSCutRequestPoisonsTheConnection(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		deaf := hostileBroker(t, func(p *hostile.Peer) {
			tc := tls.Server(p, &tls.Config{Certificates: []tls.Certificate{cert}})
			if tc.Handshake() == nil {
				hostile.Silence(p)
			}
		})
		c, err := dialTLS(t, e, deaf.Addr(), &tls.Config{RootCAs: a.pool})
		if err != nil {
			t.Fatal(err)
		}
		big := request(1, body(1, 32<<20))
		within(t, patience, "the big request", func() {
			_, err = c.RoundTrip(t.Context(), big, 300*time.Millisecond)
		})
		var op *loop.OpError
		if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.SafeToRetry() {
			t.Errorf("error = %v, want a deadline's, not safe to retry", err)
		}
		clear(big)
		within(t, patience, "the connection", func() { <-c.Done() })
		if err := c.Err(); !errors.Is(err, loop.ErrCutRequest) {
			t.Errorf("Err = %v, want ErrCutRequest", err)
		}
	})
}

func TestTLSEndsAreToldApart(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	server := &tls.Config{Certificates: []tls.Certificate{cert}}
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for _, tt := range []struct {
			name string
			end  func(tc *tls.Conn, nc net.Conn)
			is   error
			as   any
		}{
			{"close_notify", func(tc *tls.Conn, _ net.Conn) { _ = tc.Close() }, io.EOF, nil},
			{"truncated", func(_ *tls.Conn, nc net.Conn) { _ = nc.Close() }, io.ErrUnexpectedEOF, new(*loop.TruncatedError)},
			{"garbage", func(_ *tls.Conn, nc net.Conn) { _, _ = nc.Write([]byte("HTTP/1.1 400 Bad Request\r\n")) }, nil, new(*loop.TLSError)},
		} {
			ready := make(chan struct{})
			b := hostileBroker(t, hostile.Func(func(nc net.Conn) {
				tc := tls.Server(nc, server)
				if tc.Handshake() != nil {
					return
				}
				<-ready
				tt.end(tc, nc)
			}))
			c, err := dialTLS(t, e, b.Addr(), &tls.Config{RootCAs: a.pool})
			if err != nil {
				t.Fatal(err)
			}
			close(ready)
			within(t, patience, tt.name, func() { <-c.Done() })
			err = c.Err()
			if tt.is != nil && !errors.Is(err, tt.is) || tt.as != nil && !errors.As(err, tt.as) {
				t.Errorf("%s: %v (%T)", tt.name, err, err)
			}
		}
	})
}

func TestTLSHandshakeFailuresNameTheirCause(t *testing.T) {
	a, other := newAuthority(t), newAuthority(t)
	hour := time.Now().Add(time.Hour)
	good := a.certificate(t, hour)
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		serve := func(cfg *tls.Config) *hostile.Broker { return tlsBroker(t, cfg, nil) }
		for _, tt := range []struct {
			name   string
			addr   string
			client *tls.Config
			says   string
		}{
			{"unknown authority", serve(&tls.Config{Certificates: []tls.Certificate{good}}).Addr(), &tls.Config{RootCAs: other.pool}, "add it to RootCAs"},
			{"another name", serve(&tls.Config{Certificates: []tls.Certificate{a.certificate(t, hour, "elsewhere.example")}}).Addr(), &tls.Config{RootCAs: a.pool}, "another name"},
			{"expired", serve(&tls.Config{Certificates: []tls.Certificate{a.certificate(t, time.Now().Add(-time.Hour))}}).Addr(), &tls.Config{RootCAs: a.pool}, "clock"},
			{"a plaintext port that answers", hostileBroker(t, hostile.Banner([]byte("SSH-2.0-OpenSSH_9.2\r\n"))).Addr(), &tls.Config{RootCAs: a.pool}, "plaintext port?"},
			{"a plaintext port that hangs up", hostileBroker(t, hostile.HalfClose(0)).Addr(), &tls.Config{RootCAs: a.pool}, "plaintext port"},
			{"no version in common", serve(&tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}).Addr(), &tls.Config{RootCAs: a.pool, MinVersion: tls.VersionTLS13}, "in common"},
			{"client certificate missing, TLS 1.2", serve(&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool, MaxVersion: tls.VersionTLS12}).Addr(), &tls.Config{RootCAs: a.pool}, "client certificate"},
		} {
			c, err := dialTLS(t, e, tt.addr, tt.client)
			var h *loop.HandshakeError
			if c != nil || !errors.As(err, &h) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "TLS handshake") {
				t.Errorf("%s: %v, want a HandshakeError that says %q", tt.name, err, tt.says)
			}
		}
		// In TLS 1.3 the server refuses the client after the client's handshake is over.
		b := serve(&tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: a.pool})
		c, err := dialTLS(t, e, b.Addr(), &tls.Config{RootCAs: a.pool})
		if err == nil {
			_, err = c.RoundTrip(t.Context(), request(1, nil), patience)
		}
		if err == nil || !strings.Contains(err.Error(), "client certificate") {
			t.Errorf("client certificate missing, TLS 1.3: %v", err)
		}
		// Silence: the deadline counts.
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := e.Dial(ctx, hostileBroker(t, hostile.Silence).Addr(), loop.DialConfig{TLS: &tls.Config{RootCAs: a.pool}}); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("silence: %v, want a deadline's error", err)
		}
	})
}

func TestTLSServerNameIsTheDialledHost(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		names := make(chan string, 1)
		b := tlsBroker(t, &tls.Config{GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
			names <- h.ServerName
			return &cert, nil
		}}, nil)
		_, port, _ := net.SplitHostPort(b.Addr())
		if _, err := dialTLS(t, e, "localhost:"+port, &tls.Config{RootCAs: a.pool}); err != nil {
			t.Fatal(err)
		}
		if got := <-names; got != "localhost" {
			t.Errorf("the server was asked for %q, want localhost", got)
		}
	})
}

func TestTLSSessionsAreResumed(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		resumed := make(chan bool, 4)
		b := tlsBroker(t, &tls.Config{Certificates: []tls.Certificate{cert}, VerifyConnection: func(s tls.ConnectionState) error {
			resumed <- s.DidResume
			return nil
		}}, nil)
		cfg := &tls.Config{RootCAs: a.pool}
		for i := range 3 {
			c, err := dialTLS(t, e, b.Addr(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.RoundTrip(t.Context(), request(1, nil), patience); err != nil { // the ticket comes before the answer
				t.Fatal(err)
			}
			_ = c.Close()
			if got := <-resumed; got != (i > 0) {
				t.Errorf("connection %d resumed: %v", i, got)
			}
		}
	})
}

// TestADialersOwnKindOfConnectionIsBridged: whatever a dialer returns can live on a loop.
func TestADialersOwnKindOfConnectionIsBridged(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Answer(mirror))
		type wrapped struct{ net.Conn }
		c, err := e.Dial(t.Context(), b.Addr(), loop.DialConfig{Dialer: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := (&net.Dialer{}).DialContext(ctx, network, address)
			return wrapped{nc}, err
		}})
		if err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{10, 1 << 20} {
			r := request(int32(i), body(i, n))
			got, err := c.RoundTrip(t.Context(), r, patience)
			if err != nil {
				t.Fatal(err)
			}
			checkMirrored(t, r, got)
		}
		b.Close()
		within(t, patience, "the end", func() { <-c.Done() })
	})
}

func TestTLSStreamsKeepTheirDeadlines(t *testing.T) {
	a := newAuthority(t)
	cert := a.certificate(t, time.Now().Add(time.Hour))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		b := hostileBroker(t, hostile.Func(func(nc net.Conn) {
			tc := tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}})
			_, _ = io.Copy(tc, tc)
		}))
		s, err := e.DialStream(t.Context(), b.Addr(), loop.DialConfig{TLS: &tls.Config{RootCAs: a.pool}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.ReadFull(make([]byte, 1), 20*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ReadFull: %v, want a deadline's error", err)
		}
		// A timeout leaves the stream usable.
		for i, n := range []int{1, 100_000, 3 << 20} {
			sent := body(i, n)
			var wg sync.WaitGroup
			wg.Go(func() {
				if m, err := s.WriteFull(sent, patience); err != nil || m != n {
					t.Errorf("WriteFull = %d, %v", m, err)
				}
			})
			got := make([]byte, n)
			if m, err := s.ReadFull(got, patience); err != nil || m != n || string(got) != string(sent) {
				t.Fatalf("ReadFull = %d, %v", m, err)
			}
			wg.Wait()
		}
		if err := s.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v, want a deadline's error", err)
		}
		_ = s.Close()
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Close: %v", err)
		}
		cut, err := e.DialStream(t.Context(), hostileBroker(t, hostile.Func(func(nc net.Conn) {
			_ = tls.Server(nc, &tls.Config{Certificates: []tls.Certificate{cert}}).Handshake()
			_ = nc.Close()
		})).Addr(), loop.DialConfig{TLS: &tls.Config{RootCAs: a.pool}})
		if err != nil {
			t.Fatal(err)
		}
		var truncated *loop.TruncatedError
		if _, err := cut.ReadFull(make([]byte, 1), patience); !errors.As(err, &truncated) {
			t.Errorf("cut off: %v, want a TruncatedError", err)
		}
	})
}
