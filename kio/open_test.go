package kio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"kafkaio/frame"
	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// asOpenError is the *kio.OpenError that a failed dial ought to have.
func asOpenError(t *testing.T, err error) *kio.OpenError {
	t.Helper()
	var o *kio.OpenError
	if !errors.As(err, &o) {
		t.Fatalf("error %v has no *kio.OpenError", err)
	}
	return o
}

func TestOpeningNamesTheClientAndLearnsTheVersions(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := &strictBroker{}
		cfg.ClientSoftwareName, cfg.ClientSoftwareVersion = "my-client", "1.2.3-rc.1"
		b := mustDialBroker(t, s.listen(t), cfg)
		asked := s.requests()
		if len(asked) != 1 {
			t.Fatalf("%d requests opened the connection, want 1", len(asked))
		}
		r, ok := asked[0].(*kmsg.ApiVersionsRequest)
		if !ok || r.Version != 3 || r.ClientSoftwareName != "my-client" || r.ClientSoftwareVersion != "1.2.3-rc.1" {
			t.Errorf("opened with %+v, want ApiVersions 3 of my-client 1.2.3-rc.1", asked[0])
		}
		for key, want := range versionsOfToday {
			if lowest, highest, ok := b.Versions(key); !ok || [2]int16{lowest, highest} != want {
				t.Errorf("versions of API key %d: %d to %d, %t; want %v", key, lowest, highest, ok, want)
			}
		}
		for _, key := range []int16{-1, 0, 2, 37, 999} {
			if _, _, ok := b.Versions(key); ok {
				t.Errorf("versions of API key %d, which the broker does not know", key)
			}
		}
	})
}

func TestTheClientIsNamedByDefault(t *testing.T) {
	cfg := config(t)
	s := &strictBroker{}
	mustDialBroker(t, s.listen(t), cfg)
	r := s.requests()[0].(*kmsg.ApiVersionsRequest)
	if r.ClientSoftwareName != "kafkaio" || r.ClientSoftwareVersion == "" {
		t.Errorf("the client is %q %q, want kafkaio and some version", r.ClientSoftwareName, r.ClientSoftwareVersion)
	}
}

func TestVersionsOfApiVersionsAreTriedDownwards(t *testing.T) {
	t.Run("a broker that tells its range", func(t *testing.T) {
		onEachDriver(t, func(t *testing.T, cfg kio.Config) {
			c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.MaxVersions(kversion.V2_3_0()))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			b := mustDialBroker(t, c.ListenAddrs()[0], cfg)
			if _, highest, ok := b.Versions(int16(kmsg.ApiVersions)); !ok || highest != 2 {
				t.Errorf("ApiVersions up to %d, %t; want 2", highest, ok)
			}
			if s := b.Stats(); s.Answered != 2 {
				t.Errorf("%d answers opened the connection, want 2", s.Answered)
			}
		})
	})
	t.Run("a broker that tells nothing", func(t *testing.T) {
		cfg := config(t)
		s := &strictBroker{versions: map[int16][2]int16{3: {0, 5}, 18: {0, 1}}}
		b := mustDialBroker(t, s.listen(t), cfg)
		if _, highest, ok := b.Versions(3); !ok || highest != 5 {
			t.Errorf("Metadata up to %d, %t; want 5", highest, ok)
		}
		if asked := s.requests(); len(asked) != 2 || asked[1].GetVersion() != 0 {
			t.Errorf("asked %d times, want twice, the second time in version 0", len(asked))
		}
	})
	t.Run("a broker that refuses all", func(t *testing.T) {
		cfg := config(t)
		b := hostile.Listen(t, hostile.Answer(func([]byte) []byte { return []byte{0, unsupportedVersion, 0, 0, 0, 0} }))
		_, err := kio.DialBroker(t.Context(), b.Addr(), cfg)
		if o := asOpenError(t, err); o.Step != kio.StepApiVersions || !strings.Contains(err.Error(), "UNSUPPORTED_VERSION (35)") {
			t.Errorf("%v, want UNSUPPORTED_VERSION at ApiVersions", err)
		}
		if n := b.Requests(); n != 2 {
			t.Errorf("asked %d times, want twice", n)
		}
	})
	t.Run("a broker that contradicts itself", func(t *testing.T) {
		cfg := config(t)
		claims := []byte{0, unsupportedVersion, 0, 0, 0, 1, 0, 18, 0, 0, 0, 3} // refuses 3, and says 0 to 3
		b := hostile.Listen(t, hostile.Answer(func([]byte) []byte { return claims }))
		_, err := kio.DialBroker(t.Context(), b.Addr(), cfg)
		if n := b.Requests(); err == nil || n != 2 {
			t.Errorf("%v after %d questions, want an error after 2", err, n)
		}
	})
	t.Run("a pinned version", func(t *testing.T) {
		cfg := config(t)
		cfg.MaxVersions = map[int16]int16{18: 1}
		s := &strictBroker{}
		mustDialBroker(t, s.listen(t), cfg)
		if v := s.requests()[0].GetVersion(); v != 1 {
			t.Errorf("asked in version %d, want 1", v)
		}
	})
}

func TestARawConnectionSaysNothing(t *testing.T) {
	cfg := config(t)
	cfg.OpenRaw = true
	s := &strictBroker{}
	b := mustDialBroker(t, s.listen(t), cfg)
	r := kmsg.NewPtrHeartbeatRequest() // in version 0, as it is
	if _, err := r.RequestWith(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if asked := s.requests(); len(asked) != 1 || asked[0].GetVersion() != 0 || asked[0].Key() != r.Key() {
		t.Errorf("the broker was asked %+v, want the Heartbeat in version 0 alone", asked)
	}
	if _, _, ok := b.Versions(3); ok {
		t.Error("versions are known that nobody asked for")
	}
}

func TestAFailedOpeningNamesStepAndLikelyCause(t *testing.T) {
	user := []sasl.Mechanism{plain.Auth{User: "alice", Pass: "secret"}.AsMechanism()}
	scripts := func(scripts ...hostile.Script) func(*testing.T) string {
		return func(t *testing.T) string { return hostile.Listen(t, scripts...).Addr() }
	}
	strict := func(s *strictBroker) func(*testing.T) string { return s.listen }
	withSASL := func(verify func(string, []byte) ([]byte, bool, int16, string)) *strictBroker {
		return &strictBroker{offered: []string{"PLAIN"}, verify: verify}
	}
	versionsThen := func(script hostile.Script) hostile.Script {
		return func(p *hostile.Peer) {
			c := &strictConn{strictBroker: &strictBroker{}, peer: p}
			if c.serve() {
				script(p)
			}
		}
	}
	body := func(b ...byte) hostile.Script { return hostile.Answer(func([]byte) []byte { return b }) }

	for _, tt := range []struct {
		name    string
		broker  func(t *testing.T) string
		set     func(c *kio.Config)
		step    kio.Step
		is      error
		timeout bool
		text    string
	}{
		{"nobody listens", func(t *testing.T) string { return hostile.Refused(t) }, nil, kio.StepConnect, syscall.ECONNREFUSED, false, "nobody listens"},
		{"the end at once", scripts(hostile.CloseOnAccept), nil, kio.StepApiVersions, nil, false, "wants TLS (Config.TLS)"},
		{"the end at ApiVersions", scripts(hostile.HalfClose(1)), nil, kio.StepApiVersions, io.EOF, false, "wants TLS (Config.TLS)"},
		{"a reset at ApiVersions", scripts(hostile.Reset(1)), nil, kio.StepApiVersions, syscall.ECONNRESET, false, "wants TLS (Config.TLS)"},
		{"silence", scripts(hostile.Stall), func(c *kio.Config) { c.DialTimeout = moment }, kio.StepApiVersions, os.ErrDeadlineExceeded, true, "says nothing"},
		{"a TLS alert", scripts(hostile.Seq(hostile.Swallow(1), hostile.Banner([]byte(hostile.TLSAlert)))), nil, kio.StepApiVersions, nil, false, "set Config.TLS"},
		{"HTTP", scripts(hostile.Seq(hostile.Swallow(1), hostile.Banner([]byte(hostile.HTTP)))), nil, kio.StepApiVersions, nil, false, "the peer answers in HTTP"},
		{"another's answer", scripts(hostile.WrongCorrelation(nil)), nil, kio.StepApiVersions, nil, false, "does not speak Kafka's protocol"},
		{"an empty answer", scripts(body()), nil, kio.StepApiVersions, io.ErrUnexpectedEOF, false, "does not speak Kafka's protocol"},
		{"an answer with four billion tags", scripts(body(0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x0f, 0xff, 0xff, 0xff, 0xff, 0x0f)), nil, kio.StepApiVersions, nil, false, "does not speak Kafka's protocol"},
		{"an answer with two billion APIs", scripts(body(0, 0, 0xff, 0xff, 0xff, 0xff, 0x07)), nil, kio.StepApiVersions, io.ErrUnexpectedEOF, false, "does not speak Kafka's protocol"},
		{"no APIs", scripts(body(0, 0, 1, 0, 0, 0, 0, 0)), nil, kio.StepApiVersions, nil, false, "no requests at all"},
		{"an error code", scripts(body(0, invalidRequest, 1, 0, 0, 0, 0, 0)), nil, kio.StepApiVersions, nil, false, "INVALID_REQUEST (42)"},

		{"SASL where there is none", strict(&strictBroker{}), func(c *kio.Config) { c.SASL = user }, kio.StepSASLHandshake, nil, false, "ILLEGAL_SASL_STATE (34): this listener has no SASL"},
		{"SASL that is not known", strict(&strictBroker{versions: map[int16][2]int16{18: {0, 3}}}), func(c *kio.Config) { c.SASL = user }, kio.StepSASLHandshake, nil, false, "does not know SASLHandshake"},
		{"the end at the handshake", scripts(versionsThen(hostile.HalfClose(1))), func(c *kio.Config) { c.SASL = user }, kio.StepSASLHandshake, io.EOF, false, "in place of an answer"},
		{"silence at the handshake", scripts(versionsThen(hostile.Stall)), func(c *kio.Config) { c.SASL, c.DialTimeout = user, moment }, kio.StepSASLHandshake, os.ErrDeadlineExceeded, true, "overloaded"},
		{"an unreadable handshake", scripts(versionsThen(body(0, 0, 0x7f, 0xff, 0xff, 0xff))), func(c *kio.Config) { c.SASL = user }, kio.StepSASLHandshake, nil, false, "does not speak Kafka's protocol"},
		{
			"a wrong password", strict(withSASL(password("other"))), func(c *kio.Config) { c.SASL = user }, kio.StepSASL, nil, false,
			"the broker refuses PLAIN: SASL_AUTHENTICATION_FAILED (58): Authentication failed: Invalid username or password: check the credentials",
		},
		{"the end at authentication", scripts(versionsThen(hostile.Seq(body1(0, 0, 0, 0, 0, 0), hostile.HalfClose(1)))), func(c *kio.Config) { c.SASL = user }, kio.StepSASL, io.EOF, false, "it refuses the credentials"},
		{"silence at authentication", scripts(versionsThen(hostile.Seq(body1(0, 0, 0, 0, 0, 0), hostile.Stall))), func(c *kio.Config) { c.SASL, c.DialTimeout = user, moment }, kio.StepSASL, os.ErrDeadlineExceeded, true, "in time"},
		{"an unreadable authentication", scripts(versionsThen(hostile.Seq(body1(0, 0, 0, 0, 0, 0), body(0)))), func(c *kio.Config) { c.SASL = user }, kio.StepSASL, nil, false, "malformed"},
		{"no credentials", strict(withSASL(nil)), func(c *kio.Config) {
			c.SASL = []sasl.Mechanism{plain.Plain(func(context.Context) (plain.Auth, error) { return plain.Auth{}, errReached })}
		}, kio.StepSASL, errReached, false, "PLAIN has no credentials"},
		{"late credentials", strict(withSASL(nil)), func(c *kio.Config) {
			c.DialTimeout = moment
			c.SASL = []sasl.Mechanism{plain.Plain(func(ctx context.Context) (plain.Auth, error) {
				<-ctx.Done()
				return plain.Auth{}, ctx.Err()
			})}
		}, kio.StepSASL, context.DeadlineExceeded, true, "PLAIN has no credentials"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				cfg.DialTimeout, cfg.AllowPlaintextSASL = patience, true
				if tt.set != nil {
					tt.set(&cfg)
				}
				began := time.Now()
				_, err := kio.DialBroker(t.Context(), tt.broker(t), cfg)
				e := withCode(t, err, kio.CodeCannotConnect)
				if o := asOpenError(t, err); o.Step != tt.step {
					t.Errorf("%v: failed at %q, want %q", err, o.Step, tt.step)
				}
				if !strings.Contains(err.Error(), tt.text) || !strings.Contains(err.Error(), string(tt.step)) {
					t.Errorf("error %q, want the step and %q in it", err, tt.text)
				}
				if tt.is != nil {
					wantIs(t, err, tt.is)
				}
				if e.Timeout() != tt.timeout || !e.SafeToRetry() {
					t.Errorf("%v: timeout %t, safe to retry %t; want %t, true", err, e.Timeout(), e.SafeToRetry(), tt.timeout)
				}
				if took := time.Since(began); took > patience/2 {
					t.Errorf("%v took %v", err, took)
				}
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("%v tells the password", err)
				}
			})
		})
	}
}

// body1 answers one request.
func body1(b ...byte) hostile.Script {
	return hostile.AnswerN(1, func([]byte) []byte { return b })
}

func TestANameThatIsNotKnownFailsAtItsStep(t *testing.T) {
	cfg := config(t)
	cfg.Resolver = startNameServer(t, zone{}, nil).resolver()
	_, err := kio.DialBroker(t.Context(), "absent.test", cfg)
	if o := asOpenError(t, err); o.Step != kio.StepResolve || !strings.Contains(o.Hint, "advertised.listeners") {
		t.Errorf("%v, want a failed look-up", err)
	}
	var dns *net.DNSError
	if !errors.As(err, &dns) {
		t.Errorf("%v has no *net.DNSError", err)
	}
}

func TestACancelledOpeningEnds(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		b := hostile.Listen(t, func(p *hostile.Peer) {
			_, _ = p.ReadRequest() // ApiVersions
			cancel()
		})
		_, err := kio.DialBroker(ctx, b.Addr(), cfg)
		wantIs(t, err, context.Canceled)
		if o := asOpenError(t, err); o.Step != kio.StepApiVersions || o.Hint != "" {
			t.Errorf("%v, want ApiVersions without a hint", err)
		}
	})
}

// A listener that wants SASL answers ApiVersions, and ends the connection at the first request that needs it.
func TestWantedAndMissingSASLIsExplained(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := &strictBroker{offered: []string{"PLAIN"}}
		b := mustDialBroker(t, s.listen(t), cfg)
		_, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), b)
		wantCode(t, err, kio.CodeNoAcknowledgement)
		if o := asOpenError(t, err); o.Step != kio.StepFirstRequest || !strings.Contains(o.Hint, "Config.SASL") {
			t.Errorf("%v, want the hint at Config.SASL", err)
		}
		wantIs(t, err, io.EOF)
		<-b.Done()
		if o := asOpenError(t, b.Err()); o.Step != kio.StepFirstRequest {
			t.Errorf("Err is %v, want the same reason", b.Err())
		}
	})
}

func TestNoHintWhereTheConnectionHadServed(t *testing.T) {
	cfg := config(t)
	s := &strictBroker{}
	l := hostile.Listen(t, func(p *hostile.Peer) {
		c := &strictConn{strictBroker: s, peer: p}
		for range 2 { // ApiVersions and Metadata
			c.serve()
		}
		hostile.HalfClose(1)(p)
	})
	b := mustDialBroker(t, l.Addr(), cfg)
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	_, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), b)
	var o *kio.OpenError
	if err == nil || errors.As(err, &o) {
		t.Errorf("%v, want an end without a hint at SASL", err)
	}
}

func TestSizeErrorsKeepTheirType(t *testing.T) {
	cfg := config(t)
	b := hostile.Listen(t, hostile.Seq(hostile.Swallow(1), hostile.Banner([]byte(hostile.TLSAlert))))
	_, err := kio.DialBroker(t.Context(), b.Addr(), cfg)
	var size *frame.SizeError
	if !errors.As(err, &size) || size.Foreign != frame.ForeignTLSAlert {
		t.Errorf("%v, want a *frame.SizeError that knows the TLS alert", err)
	}
}
