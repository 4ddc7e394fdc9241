package loop_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"encoding/pem"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kafkaio/loop"
)

// TestTLSKeyUpdatesAreAnswered has OpenSSL's server ask for new keys again and again: crypto/tls has no way to ask. The answer is written by the loop while
// it reads, beside a writer.
func TestTLSKeyUpdatesAreAnswered(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		t.Skip("needs the openssl command, as a server that asks for key updates")
	}
	a := newAuthority(t)
	cert, key := writePEM(t, a.certificate(t, time.Now().Add(time.Hour)))
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		server := exec.Command(openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-tls1_3", "-naccept", "1")
		stdin, err := server.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out syncBuffer
		server.Stdout, server.Stderr = &out, io.Discard
		if err := server.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = stdin.Close(); _ = server.Process.Kill(); _ = server.Wait() })
		var addr string // which the server has chosen
		eventually(t, "the server to listen", func() bool {
			_, line, _ := strings.Cut(out.String(), "ACCEPT ")
			line, _, listens := strings.Cut(line, "\n")
			addr = line
			return listens
		})

		c, err := dialTLS(t, e, addr, &tls.Config{RootCAs: a.pool})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 8 {
			if _, err := io.WriteString(stdin, "K\n"); err != nil { // new keys, and the peer's as well
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			for range 4 {
				wg.Go(func() {
					if _, err := c.RoundTrip(t.Context(), request(7, []byte("with new keys")), patience); err != nil {
						t.Error(err)
					}
				})
			}
			eventually(t, "the requests", func() bool { return strings.Count(out.String(), "with new keys") == 4*(i+1) })
			for j := range 4 {
				if _, err := stdin.Write(binary.BigEndian.AppendUint32([]byte{0, 0, 0, 4}, uint32(4*i+j))); err != nil {
					t.Fatal(err)
				}
				eventually(t, "the answer", func() bool { return c.Stats().Answered == uint64(4*i+j+1) })
			}
			wg.Wait()
		}
		_ = c.Close()
	})
}

// writePEM puts a certificate and its key into files.
func writePEM(t *testing.T, c tls.Certificate) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	der, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: c.Certificate[0]}, key: {Type: "PRIVATE KEY", Bytes: der}} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// syncBuffer is a buffer that one goroutine writes and another reads.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
