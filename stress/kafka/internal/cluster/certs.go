package cluster

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// WrongHost is the name that the certificate Certs.WrongName is for.
const WrongHost = "elsewhere.invalid"

// Files of the brokers, in the folder of the certificates.
const (
	brokerFile = "broker.pem" // key and certificate, as Kafka wants them
	caFile     = "ca.pem"
)

// authority signs certificates.
type authority struct {
	cert   *x509.Certificate
	key    *ecdsa.PrivateKey
	serial int64
}

// validity of what is made here: a start of a cluster lasts hours, and a clock may be a little off.
const validity = 30 * 24 * time.Hour

func newAuthority(now time.Time) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "kafkaio test authority"},
		NotBefore: now.Add(-validity), NotAfter: now.Add(validity),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &authority{cert: cert, key: key, serial: 1}, err
}

// issue makes a key and a certificate, both as PEM.
func (a *authority) issue(template x509.Certificate) (key, cert []byte, err error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	a.serial++
	template.SerialNumber = big.NewInt(a.serial)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	der, err := x509.CreateCertificate(rand.Reader, &template, a.cert, private.Public(), a.key)
	if err != nil {
		return nil, nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), certificatePEM(der), nil
}

func certificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// makeCerts makes an authority that nobody else trusts, and all that it signs, into dir.
func makeCerts(dir string) (Certs, error) {
	now := time.Now()
	ca, err := newAuthority(now)
	if err != nil {
		return Certs{}, err
	}
	here := x509.Certificate{
		Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity),
	}
	expired := here
	expired.NotBefore, expired.NotAfter = now.Add(-48*time.Hour), now.Add(-24*time.Hour)
	wrong := here
	wrong.Subject, wrong.DNSNames, wrong.IPAddresses = pkix.Name{CommonName: WrongHost}, []string{WrongHost}, nil
	client := here
	client.Subject, client.DNSNames, client.IPAddresses = pkix.Name{CommonName: "client"}, nil, nil

	c := Certs{
		CA:         filepath.Join(dir, caFile),
		ClientCert: filepath.Join(dir, "client.pem"), ClientKey: filepath.Join(dir, "client.key"),
		Expired: filepath.Join(dir, "expired.pem"), WrongName: filepath.Join(dir, "wrong-name.pem"),
	}
	files := map[string][]byte{c.CA: certificatePEM(ca.cert.Raw)}
	for name, template := range map[string]x509.Certificate{filepath.Join(dir, brokerFile): here, c.Expired: expired, c.WrongName: wrong, c.ClientCert: client} {
		key, cert, err := ca.issue(template)
		if err != nil {
			return Certs{}, err
		}
		if name == c.ClientCert {
			files[c.ClientKey], files[name] = key, cert
		} else {
			files[name] = bytes.Join([][]byte{key, cert}, nil)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			return Certs{}, err
		}
	}
	return c, nil
}

// TLS is what a client needs to trust the brokers and, if mutual, to be trusted by them.
func (c Certs) TLS(mutual bool) (*tls.Config, error) {
	text, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: no certificate in it", c.CA)
	}
	cfg := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if mutual {
		pair, err := tls.LoadX509KeyPair(c.ClientCert, c.ClientKey)
		if err != nil {
			return nil, err
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
