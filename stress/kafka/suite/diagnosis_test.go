package suite_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
)

// wrong is a mistake that somebody makes with a listener's settings.
type wrong struct {
	name     string
	listener string
	tls      func(t *testing.T) *tls.Config // nil: none
	sasl     func(t *testing.T) []sasl.Mechanism
	clear    bool                    // with the permission to send a password in the clear
	addr     func(*testing.T) string // nil: the listener's
	request  bool                    // the mistake shows at the first request, not before

	code kio.Code
	step kio.Step
	says []string // each of them in the error's text, in lower case
}

// listenerTLS is the right TLS of a listener, then changed.
func listenerTLS(listener string, change func(*tls.Config)) func(*testing.T) *tls.Config {
	return func(t *testing.T) *tls.Config {
		t.Helper()
		c, err := state.TLS(listener)
		if err != nil {
			t.Fatal(err)
		}
		if change != nil {
			change(c)
		}
		return c
	}
}

// rightUser and wrongPassword are logins of a mechanism.
func rightUser(mechanism string) func(*testing.T) []sasl.Mechanism {
	return func(t *testing.T) []sasl.Mechanism { return []sasl.Mechanism{as(t, mechanism, state.Users[mechanism])} }
}

// secret is what must not be seen anywhere.
const secret = "Correct-Horse-Battery-Staple"

func wrongPassword(mechanism string) func(*testing.T) []sasl.Mechanism {
	return func(t *testing.T) []sasl.Mechanism {
		return []sasl.Mechanism{as(t, mechanism, cluster.User{Name: state.Users[mechanism].Name, Password: secret})}
	}
}

func as(t *testing.T, mechanism string, u cluster.User) sasl.Mechanism {
	t.Helper()
	m, err := cluster.MechanismAs(mechanism, u)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// named is a mechanism that no broker here has.
type named string

func (n named) Name() string { return string(n) }

func (n named) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	return nil, nil, errors.New("a mechanism that was not offered was asked to authenticate")
}

// server is a TLS listener in this process that shows a certificate of its own.
func server(file func() string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		pair, err := tls.LoadX509KeyPair(file(), file())
		if err != nil {
			t.Fatal(err)
		}
		ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12})
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { // ends with the listener; the cleanup waits for it
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				wg.Go(func() { // ends with the handshake
					_ = c.(*tls.Conn).HandshakeContext(t.Context())
					_ = c.Close()
				})
			}
		})
		t.Cleanup(func() { _ = ln.Close(); wg.Wait() })
		return ln.Addr().String()
	}
}

// nobody is an address on which nobody listens.
func nobody(t *testing.T) string { return hostile.Refused(t) }

var mistakes = []wrong{
	{
		name: "nobody listens", listener: cluster.Plaintext, addr: nobody,
		code: kio.CodeCannotConnect, step: kio.StepConnect, says: []string{"refused"},
	},
	{
		name: "plaintext to a TLS port", listener: cluster.SSL,
		code: kio.CodeCannotConnect, step: kio.StepApiVersions, says: []string{"tls", "config.tls"},
	},
	{
		name: "plaintext to a SASL_SSL port", listener: cluster.SASLSSL,
		code: kio.CodeCannotConnect, step: kio.StepApiVersions, says: []string{"tls", "config.tls"},
	},
	{
		name: "TLS to a plaintext port", listener: cluster.Plaintext, tls: listenerTLS(cluster.SASLSSL, nil),
		code: kio.CodeCannotConnect, step: kio.StepTLS, says: []string{"tls", "plaintext"},
	},
	{
		name: "no certificate of the client's", listener: cluster.SSL, tls: listenerTLS(cluster.SASLSSL, nil),
		code: kio.CodeCannotConnect, says: []string{"certificate"}, // in TLS 1.3 it shows after the handshake, so at either step
	},
	{
		name: "an authority that is not trusted", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, func(c *tls.Config) { c.RootCAs = nil }),
		code: kio.CodeCannotConnect, step: kio.StepTLS, says: []string{"unknown authority"},
	},
	{
		name: "a broker of another name", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, func(c *tls.Config) { c.ServerName = cluster.WrongHost }),
		code: kio.CodeCannotConnect, step: kio.StepTLS, says: []string{"certificate", cluster.WrongHost, "localhost"},
	},
	{
		name: "a certificate for another name", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, nil), addr: server(func() string { return state.Certs.WrongName }),
		code: kio.CodeCannotConnect, step: kio.StepTLS, says: []string{"certificate", "127.0.0.1"},
	},
	{
		name: "an expired certificate", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, nil), addr: server(func() string { return state.Certs.Expired }),
		code: kio.CodeCannotConnect, step: kio.StepTLS, says: []string{"certificate", "expired"},
	},
	{
		name: "a password over plaintext", listener: cluster.SASLPlaintext, sasl: wrongPassword(cluster.Plain),
		code: kio.CodeInvalidArgument, says: []string{"plaintext"},
	},
	{
		name: "a wrong password, PLAIN", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, nil), sasl: wrongPassword(cluster.Plain),
		code: kio.CodeCannotConnect, step: kio.StepSASL, says: []string{"plain", "invalid username or password", "credentials"},
	},
	{
		name: "a wrong password, SCRAM-SHA-256", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, nil), sasl: wrongPassword(cluster.Scram256),
		code: kio.CodeCannotConnect, step: kio.StepSASL, says: []string{"scram-sha-256", "invalid credentials"},
	},
	{
		name: "a wrong password, SCRAM-SHA-512 in the clear", listener: cluster.SASLPlaintext, sasl: wrongPassword(cluster.Scram512),
		code: kio.CodeCannotConnect, step: kio.StepSASL, says: []string{"scram-sha-512", "invalid credentials"},
	},
	{
		name: "a wrong password, PLAIN in the clear", listener: cluster.SASLPlaintext, sasl: wrongPassword(cluster.Plain), clear: true,
		code: kio.CodeCannotConnect, step: kio.StepSASL, says: []string{"plain", "invalid username or password"},
	},
	{
		name: "a mechanism that is not enabled", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, nil),
		sasl: func(*testing.T) []sasl.Mechanism { return []sasl.Mechanism{named("GSSAPI")} },
		code: kio.CodeCannotConnect, step: kio.StepSASLHandshake, says: []string{"gssapi", "offers", "plain", "scram-sha-512", "oauthbearer"},
	},
	{
		name: "SASL where there is none", listener: cluster.SSL, tls: listenerTLS(cluster.SSL, nil), sasl: rightUser(cluster.Scram512),
		code: kio.CodeCannotConnect, step: kio.StepSASLHandshake, says: []string{"no sasl"},
	},
	{
		name: "no SASL where it is wanted", listener: cluster.SASLSSL, tls: listenerTLS(cluster.SASLSSL, nil), request: true,
		step: kio.StepFirstRequest, says: []string{"sasl"},
	},
}

// TestWhatIsWrongIsNamed makes each mistake and checks that the error names the step and the cause, comes soon, and that no secret is in it, nor in the
// debug output of the whole dial.
func TestWhatIsWrongIsNamed(t *testing.T) {
	for _, w := range mistakes {
		t.Run(w.name, func(t *testing.T) {
			need(t, w.listener)
			if !state.Owned() {
				t.Skip("the cluster was not started by make kafka-up: what its listeners refuse is not known")
			}
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				var out bytes.Buffer
				cfg.Debug = &kio.Debug{Level: 2}
				cfg.Logger = slog.New(slog.NewTextHandler(&locked{w: &out}, nil))
				began := time.Now()
				err := w.make(t, cfg)
				if err == nil {
					t.Fatal("no error")
				}
				if took := time.Since(began); took > patience/2 {
					t.Errorf("it took %v to find out", took)
				}
				w.check(t, err)
				searchSecret(t, "the error", err.Error())
				searchSecret(t, "the debug output", out.String())
				if out.Len() == 0 {
					t.Error("there was no debug output to search")
				}
				t.Log(err)
			})
		})
	}
}

// make makes the mistake.
func (w *wrong) make(t *testing.T, cfg kio.Config) error {
	t.Helper()
	addr, _ := state.Addr(w.listener)
	if w.addr != nil {
		addr = w.addr(t)
	}
	if w.tls != nil {
		cfg.TLS = w.tls(t)
	}
	if w.sasl != nil {
		cfg.SASL = w.sasl(t)
	}
	if w.clear {
		cfg.AllowPlaintextSASL = true
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := kio.DialBroker(ctx, addr, cfg)
	if err != nil {
		return err
	}
	defer b.Close()
	if !w.request {
		return nil
	}
	_, err = kmsg.NewPtrMetadataRequest().RequestWith(ctx, b)
	return err
}

// check checks class, step and text of the error.
func (w *wrong) check(t *testing.T, err error) {
	t.Helper()
	e := asError(t, err)
	if w.code != 0 && e.Code != w.code {
		t.Errorf("%v: code %d, want %d", err, e.Code, w.code)
	}
	var at *kio.OpenError
	if w.step != "" && (!errors.As(err, &at) || at.Step != w.step) {
		t.Errorf("%v: want it to name the step %q", err, w.step)
	}
	text := strings.ToLower(err.Error())
	for _, word := range w.says {
		if !strings.Contains(text, word) {
			t.Errorf("%v: want it to say %q", err, word)
		}
	}
}

// searchSecret fails the test if the secret is in a text.
func searchSecret(t *testing.T, where, text string) {
	t.Helper()
	if form := secretIn(text); form != "" {
		t.Errorf("%s has the secret, as %q: %s", where, form, text)
	}
}

// secretIn looks for the secret in base64, and for every few bytes of it as they are and in hexadecimal: a dump breaks its lines anywhere. It gives what
// it has found.
func secretIn(text string) string {
	const few = 6
	dump := strings.NewReplacer(" ", "", "\n", "", `\n`, "").Replace(strings.ToLower(text))
	for i := range len(secret) - few + 1 {
		part := secret[i : i+few]
		if strings.Contains(text, part) {
			return part
		}
		if part := hex.EncodeToString([]byte(part)); strings.Contains(dump, part) {
			return part
		}
	}
	for _, coding := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
		if part := coding.EncodeToString([]byte(secret))[:8]; strings.Contains(text, part) {
			return part
		}
	}
	return ""
}

func TestTheSearchForTheSecretFindsIt(t *testing.T) {
	if got := secretIn("kio: dial: nothing to see here, no horse either"); got != "" {
		t.Errorf("found %q where there is nothing", got)
	}
	for before := range 16 {
		dump := hex.Dump([]byte(strings.Repeat("x", before) + secret))
		for _, text := range []string{dump, strings.ReplaceAll(dump, "\n", `\n`), strings.ToUpper(hex.EncodeToString([]byte(secret))), "a " + secret + "."} {
			if secretIn(text) == "" {
				t.Errorf("not found in %s", text)
			}
		}
	}
	if secretIn(base64.StdEncoding.EncodeToString([]byte(secret))) == "" {
		t.Error("not found in base64")
	}
}

// locked lets many goroutines write.
type locked struct {
	mu sync.Mutex // guards w
	w  *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
