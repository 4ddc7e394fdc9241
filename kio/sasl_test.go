package kio_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/aws"
	"github.com/twmb/franz-go/pkg/sasl/oauth"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// saslKafka is a cluster of one broker with a user of each mechanism.
func saslKafka(t *testing.T, opts ...kfake.Opt) string {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{
		kfake.NumBrokers(1), kfake.EnableSASL(), kfake.SeedTopics(1, "topic"),
		kfake.Superuser("PLAIN", "alice", "alice-secret"),
		kfake.Superuser("SCRAM-SHA-256", "bob", "bob-secret"),
		kfake.Superuser("SCRAM-SHA-512", "carol", "carol-secret"),
	}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c.ListenAddrs()[0]
}

var (
	alice = plain.Auth{User: "alice", Pass: "alice-secret"}.AsMechanism()
	bob   = scram.Auth{User: "bob", Pass: "bob-secret"}.AsSha256Mechanism()
	carol = scram.Auth{User: "carol", Pass: "carol-secret"}.AsSha512Mechanism()
)

// ask sends a request that needs authentication, where there is any.
func ask(t *testing.T, b *kio.Broker) {
	t.Helper()
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), b); err != nil {
		t.Errorf("request: %v", err)
	}
}

func TestMechanisms(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.AllowPlaintextSASL = true
		addr := saslKafka(t)
		for _, m := range []sasl.Mechanism{alice, bob, carol} {
			cfg.SASL = []sasl.Mechanism{m}
			b := mustDialBroker(t, addr, cfg)
			ask(t, b)
			if s := b.Stats(); !s.SessionEnds.IsZero() || s.Reauthentications != 0 {
				t.Errorf("%s: %+v, want a session without an end", m.Name(), s)
			}
		}
	})
}

func TestAWrongPasswordIsRefused(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.AllowPlaintextSASL = true
		addr := saslKafka(t)
		for _, m := range []sasl.Mechanism{
			plain.Auth{User: "alice", Pass: "wrong-secret"}.AsMechanism(),
			scram.Auth{User: "bob", Pass: "wrong-secret"}.AsSha256Mechanism(),
			scram.Auth{User: "nobody", Pass: "wrong-secret"}.AsSha512Mechanism(),
		} {
			cfg.SASL = []sasl.Mechanism{m}
			_, err := kio.DialBroker(t.Context(), addr, cfg)
			// This broker hangs up in place of an answer, as those before 1.0 do.
			if o := asOpenError(t, err); o.Step != kio.StepSASL || !strings.Contains(o.Hint, "refuses the credentials") {
				t.Errorf("%s: %v, want refused credentials", m.Name(), err)
			}
		}
	})
}

func TestTheFirstMechanismThatIsOfferedIsUsed(t *testing.T) {
	kerberos := named{"GSSAPI"}
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.AllowPlaintextSASL = true
		s := &strictBroker{offered: []string{"PLAIN", "SCRAM-SHA-512"}, verify: password("alice-secret")}
		l := hostile.Listen(t, s.script)
		cfg.SASL = []sasl.Mechanism{bob, kerberos, alice, carol}
		b := mustDialBroker(t, l.Addr(), cfg)
		ask(t, b)
		if got := s.handshaken(); !slices.Equal(got, []string{"SCRAM-SHA-256", "PLAIN"}) {
			t.Errorf("asked for %v, want the first, then the first that is offered", got)
		}
		if n := l.Accepted(); n != 2 {
			t.Errorf("%d connections, want 2: a broker ends the one whose mechanism it refuses", n)
		}

		cfg.SASL = []sasl.Mechanism{bob, kerberos}
		_, err := kio.DialBroker(t.Context(), l.Addr(), cfg)
		var refused *kio.AuthError
		if !errors.As(err, &refused) || refused.Mechanism != "SCRAM-SHA-256" || refused.Code != unsupportedMechanism || !slices.Equal(refused.Offered, s.offered) {
			t.Errorf("%v is %+v, want SCRAM-SHA-256 refused with what is offered", err, refused)
		}
		if text := "it offers PLAIN, SCRAM-SHA-512"; !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %q in it", err, text)
		}
	})
}

// named is a mechanism with nothing but a name.
type named struct{ name string }

func (n named) Name() string { return n.name }
func (n named) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	return nil, nil, errReached
}

func TestSecretsAreNotSentInPlaintextUnasked(t *testing.T) {
	cfg := config(t)
	l := hostile.Listen(t, hostile.CloseOnAccept) // which counts before it closes
	for _, tt := range []struct {
		m    sasl.Mechanism
		safe bool
	}{
		{alice, false},
		{oauth.Auth{Token: "token"}.AsMechanism(), false},
		{aws.Auth{AccessKey: "key", SecretKey: "secret"}.AsManagedStreamingIAMMechanism(), false},
		{named{"CUSTOM"}, false},
		{bob, true},
		{carol, true},
		{named{"GSSAPI"}, true},
	} {
		cfg.SASL = []sasl.Mechanism{carol, tt.m}
		_, err := kio.DialBroker(t.Context(), l.Addr(), cfg)
		e := asError(t, err)
		if refused := e.Code == kio.CodeInvalidArgument; refused == tt.safe {
			t.Errorf("%s: %v; want it to pass: %t", tt.m.Name(), err, tt.safe)
		}
		if !tt.safe && !strings.Contains(err.Error(), tt.m.Name()) {
			t.Errorf("%v does not name %s", err, tt.m.Name())
		}
	}
	if n := l.Accepted(); n != 3 {
		t.Errorf("%d connections, want 3: the refused ones must not even connect", n)
	}
}

func TestSASLSettingsThatContradictEachOther(t *testing.T) {
	cfg := config(t)
	for name, set := range map[string]func(c *kio.Config){
		"Config.OpenRaw": func(c *kio.Config) { c.OpenRaw, c.SASL = true, []sasl.Mechanism{bob} },
		"Config.SASL[1]": func(c *kio.Config) { c.SASL = []sasl.Mechanism{bob, nil} },
	} {
		c := cfg
		set(&c)
		_, err := kio.DialBroker(t.Context(), "localhost:9092", c)
		wantCode(t, err, kio.CodeInvalidArgument)
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%v does not name %s", err, name)
		}
	}
	cfg.SASL = []sasl.Mechanism{bob}
	_, err := kio.Dial(t.Context(), "localhost:9092", cfg)
	wantCode(t, err, kio.CodeInvalidArgument)
}

func TestAMechanismIsToldTheHostThatWasDialled(t *testing.T) {
	cfg := config(t)
	cfg.AllowPlaintextSASL = true
	cfg.Resolver = startNameServer(t, zone{"broker.test": {"127.0.0.1"}}, nil).resolver()
	s := &strictBroker{offered: []string{"HOST"}, verify: func(_ string, token []byte) ([]byte, bool, int16, string) {
		return token, true, 0, ""
	}}
	_, port, _ := strings.Cut(s.listen(t), ":")
	m := &hostMechanism{}
	cfg.SASL = []sasl.Mechanism{m}
	mustDialBroker(t, "broker.test:"+port, cfg)
	if want := "broker.test:" + port; m.host != want || m.challenge != want {
		t.Errorf("the mechanism was told %q, and the broker answered %q; want %q", m.host, m.challenge, want)
	}
}

// hostMechanism sends the host that it is told.
type hostMechanism struct{ host, challenge string }

func (m *hostMechanism) Name() string { return "HOST" }
func (m *hostMechanism) Authenticate(_ context.Context, host string) (sasl.Session, []byte, error) {
	m.host = host
	return m, []byte(host), nil
}

func (m *hostMechanism) Challenge(b []byte) (bool, []byte, error) {
	m.challenge = string(b)
	return true, nil, nil
}

// Brokers before 1.0 know SaslHandshake 0 only, after which tokens travel without headers.
func TestBareTokensForOldBrokers(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.AllowPlaintextSASL = true
		for name, versions := range map[string]map[int16][2]int16{
			"handshake 0":                    {3: {0, 2}, 12: {0, 0}, 17: {0, 0}, 18: {0, 0}},
			"handshake 1, no authentication": {3: {0, 2}, 12: {0, 0}, 17: {0, 1}, 18: {0, 0}},
		} {
			var rounds atomic.Int32
			s := &strictBroker{versions: versions, offered: []string{"ROUNDS"}, verify: func(_ string, token []byte) ([]byte, bool, int16, string) {
				n := int(rounds.Add(1))
				if string(token) == "no" {
					return nil, false, authenticationFailed, ""
				}
				return bytes.Repeat([]byte{'c'}, 2-n), n == 2, 0, "" // the last one is empty
			}}
			addr := s.listen(t)
			cfg.SASL = []sasl.Mechanism{tokens{"one", "two"}}
			b := mustDialBroker(t, addr, cfg)
			ask(t, b)
			if n := rounds.Load(); n != 2 {
				t.Errorf("%s: %d tokens arrived, want 2", name, n)
			}
			cfg.SASL = []sasl.Mechanism{tokens{"no"}}
			_, err := kio.DialBroker(t.Context(), addr, cfg)
			if o := asOpenError(t, err); o.Step != kio.StepSASL || !strings.Contains(o.Hint, "refuses the credentials") {
				t.Errorf("%s: %v, want refused credentials", name, err)
			}
		}
	})
}

// tokens is a mechanism that sends these, one after another.
type tokens []string

func (tokens) Name() string { return "ROUNDS" }
func (m tokens) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	left := m[1:]
	return &tokenSession{left}, []byte(m[0]), nil
}

type tokenSession struct{ left tokens }

func (s *tokenSession) Challenge([]byte) (bool, []byte, error) {
	if len(s.left) == 0 {
		return true, nil, nil
	}
	next := s.left[0]
	s.left = s.left[1:]
	return false, []byte(next), nil
}

func TestAMechanismMayHaveTheLastWord(t *testing.T) {
	cfg := config(t)
	cfg.AllowPlaintextSASL = true
	for _, tt := range []struct {
		authenticate bool
		want         string
	}{{true, ""}, {false, "needs a broker with SaslAuthenticate"}} {
		got := make(chan string, 4)
		s := &strictBroker{offered: []string{"LAST"}, verify: func(_ string, token []byte) ([]byte, bool, int16, string) {
			got <- string(token)
			return nil, string(token) == "last", 0, ""
		}}
		if !tt.authenticate {
			s.versions = map[int16][2]int16{17: {0, 0}, 18: {0, 0}}
		}
		cfg.SASL = []sasl.Mechanism{lastWord{}}
		b, err := kio.DialBroker(t.Context(), s.listen(t), cfg)
		if err == nil {
			_ = b.Close()
			if first, last := <-got, <-got; first != "first" || last != "last" {
				t.Errorf("the broker got %q, %q", first, last)
			}
		}
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("with SaslAuthenticate %t: %v; want %q", tt.authenticate, err, tt.want)
		}
	}
}

type lastWord struct{}

func (lastWord) Name() string { return "LAST" }
func (m lastWord) Authenticate(context.Context, string) (sasl.Session, []byte, error) {
	return m, []byte("first"), nil
}
func (lastWord) Challenge([]byte) (bool, []byte, error) { return true, []byte("last"), nil }

func TestTheBearersTokenAndTheAWSSignature(t *testing.T) {
	cfg := config(t)
	cfg.AllowPlaintextSASL = true
	t.Setenv("AWS_REGION", "eu-west-1")
	const token = "bearer-secret"
	var refuses atomic.Bool
	s := &strictBroker{offered: []string{"OAUTHBEARER", "AWS_MSK_IAM"}, verify: func(mechanism string, b []byte) ([]byte, bool, int16, string) {
		switch {
		case mechanism == "AWS_MSK_IAM" && bytes.Contains(b, []byte(`"x-amz-signature"`)):
			return []byte(`{"version":"2020_10_22"}`), true, 0, ""
		case string(b) == "\x01": // the refusal is acknowledged
			return nil, false, authenticationFailed, "no such token: " + token
		case bytes.Contains(b, []byte("Bearer "+token+"\x01")) && !refuses.Load():
			return nil, true, 0, ""
		default:
			return []byte(`{"status":"invalid_token"}`), false, 0, ""
		}
	}}
	addr := s.listen(t)
	bearer := oauth.Auth{Token: token}.AsMechanism()
	for _, m := range []sasl.Mechanism{bearer, aws.Auth{AccessKey: "key", SecretKey: "aws-secret"}.AsManagedStreamingIAMMechanism()} {
		cfg.SASL = []sasl.Mechanism{m}
		ask(t, mustDialBroker(t, addr, cfg))
	}
	refuses.Store(true)
	cfg.SASL = []sasl.Mechanism{bearer}
	_, err := kio.DialBroker(t.Context(), addr, cfg)
	var refused *kio.AuthError
	if !errors.As(err, &refused) || refused.Code != authenticationFailed || refused.Message != "no such token: [masked]" {
		t.Errorf("%v, want the broker's reason without the token", err)
	}
}

// TestNoSecretIsTold searches all that is written at debug level 2, and all errors, for the secrets: as they are, in hexadecimal, and in the broken
// lines of a dump.
func TestNoSecretIsTold(t *testing.T) {
	const secret = "hunter2hunter2"
	mechanisms := []sasl.Mechanism{
		plain.Auth{User: "alice", Pass: secret}.AsMechanism(),
		scram.Auth{User: "bob", Pass: secret}.AsSha256Mechanism(),
		scram.Auth{User: "carol", Pass: secret}.AsSha512Mechanism(),
		oauth.Auth{Token: secret}.AsMechanism(),
		tokens{secret, secret},
	}
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		good := saslKafka(t, kfake.Superuser("PLAIN", "alice", secret), kfake.Superuser("SCRAM-SHA-256", "bob", secret), kfake.Superuser("SCRAM-SHA-512", "carol", secret))
		echo := func(_ string, token []byte) ([]byte, bool, int16, string) {
			return token, false, authenticationFailed, fmt.Sprintf("I refuse %s, which is %q", token, token)
		}
		all := []string{"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "ROUNDS"}
		brokers := []string{
			good,
			(&strictBroker{offered: all, verify: echo}).listen(t),
			(&strictBroker{offered: all, verify: echo, versions: map[int16][2]int16{17: {0, 0}, 18: {0, 0}}}).listen(t),
			hostile.Listen(t, hostile.Echo).Addr(),
		}
		cfg.AllowPlaintextSASL, cfg.Debug = true, &kio.Debug{Level: 2}
		var said strings.Builder
		dialAll := func(cfg kio.Config) {
			for _, addr := range brokers {
				for _, m := range mechanisms {
					cfg.SASL = []sasl.Mechanism{m}
					b, err := kio.DialBroker(t.Context(), addr, cfg)
					if err != nil {
						fmt.Fprintf(&said, "%v\n%+v\n%#v\n", err, err, err)
						var refused *kio.AuthError
						if errors.As(err, &refused) {
							fmt.Fprintf(&said, "%+v\n", *refused)
						}
						continue
					}
					ask(t, b)
					fmt.Fprintf(&said, "%+v\n", b.Stats())
					_ = b.Close()
				}
			}
		}
		said.WriteString(onStderr(t, func() { dialAll(cfg) }))
		log := &records{}
		cfg.Logger = slog.New(log)
		dialAll(cfg)
		for _, message := range log.messages() {
			for _, attrs := range log.attrs(message) {
				fmt.Fprintln(&said, message, attrs)
			}
		}
		text := said.String()
		joined := strings.NewReplacer(" ", "", "|", "", "\n", "").Replace(text) // what a dump's lines cut
		for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), hex.EncodeToString([]byte(secret)[:8])} {
			if strings.Contains(text, form) || strings.Contains(joined, form) {
				t.Errorf("the output tells the secret as %s", form)
			}
		}
		if !strings.Contains(text, "[masked ") {
			t.Error("nothing was masked: the test looks at the wrong output")
		}
	})
}

func TestAuthErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  kio.AuthError
		want string
	}{
		{kio.AuthError{Mechanism: "PLAIN", Code: authenticationFailed}, "the broker refuses PLAIN: SASL_AUTHENTICATION_FAILED (58)"},
		{kio.AuthError{Mechanism: "PLAIN", Code: 99, Message: "why"}, "the broker refuses PLAIN: error code (99): why"},
		{kio.AuthError{Mechanism: "X", Code: unsupportedMechanism}, "the broker refuses X: UNSUPPORTED_SASL_MECHANISM (33), it offers none"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

// A broker's text stands in errors and logs: it must not break them.
func TestABrokersTextIsCleaned(t *testing.T) {
	cfg := config(t)
	s := &strictBroker{offered: []string{"SCRAM-SHA-256"}, verify: func(string, []byte) ([]byte, bool, int16, string) {
		return nil, false, authenticationFailed, "two\nlines \x1b[31m\xff " + strings.Repeat("x", 10_000)
	}}
	cfg.SASL = []sasl.Mechanism{bob}
	_, err := kio.DialBroker(t.Context(), s.listen(t), cfg)
	if text := err.Error(); strings.ContainsAny(text, "\n\x1b") || !utf8.ValidString(text) || len(text) > 2000 {
		t.Errorf("the error is %d bytes: %.300q", len(text), text)
	}
}

// Callbacks run on the goroutine that dials: a slow one holds nobody up.
func TestASlowCallbackHoldsNobodyUp(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.AllowPlaintextSASL = true
		addr := saslKafka(t)
		cfg.SASL = []sasl.Mechanism{alice}
		other := mustDialBroker(t, addr, cfg) // on the same and only loop
		entered, leave := make(chan struct{}), make(chan struct{})
		cfg.SASL = []sasl.Mechanism{plain.Plain(func(context.Context) (plain.Auth, error) {
			close(entered)
			<-leave
			return plain.Auth{User: "alice", Pass: "alice-secret"}, nil
		})}
		var dialing sync.WaitGroup
		dialing.Go(func() {
			b, err := kio.DialBroker(t.Context(), addr, cfg)
			if err != nil {
				t.Error(err)
				return
			}
			_ = b.Close()
		})
		<-entered
		ask(t, other)
		close(leave)
		dialing.Wait()
	})
}
