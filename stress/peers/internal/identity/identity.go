// Package identity is who the two ends of the TLS works are: an authority, a
// server and a client, made anew for each run.
//
// The parent writes them into a folder and names it to its children:
//
//	err := identity.Write(dir)
//	server, err := identity.Server(dir, work.MutualTLS)
//	client, err := identity.Client(dir)
//
// All keys are ECDSA P-256. The server's certificate names the loopback
// addresses and localhost.
package identity

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"kafkaio/stress/peers/internal/work"
)

// Names of the files in the folder; a key stands beside its certificate.
const (
	authorityFile = "authority.pem"
	serverName    = "server"
	clientName    = "client"
	certSuffix    = ".pem"
	keySuffix     = "-key.pem"
)

// lifetime is longer than any run.
const lifetime = 24 * time.Hour

// pair is a certificate with its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Write makes all three and writes them into an existing folder.
func Write(dir string) error {
	authority, err := issue(x509.Certificate{
		Subject: pkix.Name{CommonName: "bench authority"}, SerialNumber: big.NewInt(1),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}, nil)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(dir, authorityFile), "CERTIFICATE", authority.cert.Raw); err != nil {
		return err
	}
	var hosts []net.IP
	for i := byte(1); i <= 4; i++ {
		hosts = append(hosts, net.IPv4(127, 0, 0, i))
	}
	leaves := map[string]x509.Certificate{
		serverName: {
			Subject: pkix.Name{CommonName: "bench broker"}, SerialNumber: big.NewInt(2),
			IPAddresses: append(hosts, net.IPv6loopback), DNSNames: []string{"localhost"},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		},
		clientName: {
			Subject: pkix.Name{CommonName: "bench client"}, SerialNumber: big.NewInt(3),
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		},
	}
	for name, template := range leaves {
		leaf, err := issue(template, authority)
		if err != nil {
			return err
		}
		if err := leaf.write(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// issue makes a key and a certificate, signed by an authority or, if that is
// nil, by itself.
func issue(template x509.Certificate, by *pair) (*pair, error) {
	template.NotBefore = time.Now().Add(-time.Hour)
	template.NotAfter = template.NotBefore.Add(lifetime)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	if by == nil {
		by = &pair{&template, key}
	}
	der, err := x509.CreateCertificate(rand.Reader, &template, by.cert, key.Public(), by.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &pair{cert, key}, err
}

func (p *pair) write(path string) error {
	der, err := x509.MarshalPKCS8PrivateKey(p.key)
	if err != nil {
		return err
	}
	return errors.Join(writePEM(path+certSuffix, "CERTIFICATE", p.cert.Raw), writePEM(path+keySuffix, "PRIVATE KEY", der))
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// Server returns the configuration of the answering end, for TLS 1.3 alone.
//
// It behaves as a broker on Java does where a client's memory depends on it:
// records are full from the first one on, and the key exchange is not the
// post-quantum hybrid that Go would choose (JEP 527 is to bring it to Java 27),
// whose longer messages leave crypto/tls with 1 to 2 KiB more a connection:
// work.HybridTLS shows that.
func Server(dir string, s work.Security) (*tls.Config, error) {
	cfg, roots, err := load(dir, serverName)
	if err != nil {
		return nil, err
	}
	cfg.DynamicRecordSizingDisabled = true
	if s != work.HybridTLS {
		cfg.CurvePreferences = []tls.CurveID{tls.X25519, tls.CurveP256, tls.CurveP384}
	}
	if s == work.MutualTLS {
		cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, roots
	}
	return cfg, nil
}

// Client returns the configuration of the asking end, for TLS 1.3 alone. It
// has a certificate for the server that demands one. Sessions are never
// resumed: crypto/tls does so only with a cache that its user gives it, ours
// does unless told not to, and the works compare whole handshakes.
func Client(dir string) (*tls.Config, error) {
	cfg, roots, err := load(dir, clientName)
	if err == nil {
		cfg.RootCAs, cfg.SessionTicketsDisabled = roots, true
	}
	return cfg, err
}

func load(dir, name string) (*tls.Config, *x509.CertPool, error) {
	path := filepath.Join(dir, name)
	cert, err := tls.LoadX509KeyPair(path+certSuffix, path+keySuffix)
	if err != nil {
		return nil, nil, err
	}
	text, err := os.ReadFile(filepath.Join(dir, authorityFile))
	if err != nil {
		return nil, nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, nil, errors.New("identity: no certificate in " + authorityFile)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13}, roots, nil
}
