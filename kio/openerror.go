package kio

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"kafkaio/frame"
	"kafkaio/loop"
)

// Step is one of the steps that open a connection, or keep it open.
type Step string

// The steps, in their order. A connection without TLS or SASL leaves theirs out, and one with Config.OpenRaw all after the TLS handshake.
const (
	StepResolve          Step = "resolve"
	StepConnect          Step = "connect"
	StepProxy            Step = "proxy" // in place of the two before, with SOCKS5
	StepTLS              Step = "TLS handshake"
	StepApiVersions      Step = "ApiVersions"
	StepSASLHandshake    Step = "SASL handshake"
	StepSASL             Step = "SASL authentication"
	StepFirstRequest     Step = "first request"
	StepReauthentication Step = "re-authentication"
)

// OpenError says at which step a connection failed, and what to look at. It is the cause of an *Error, of a dial or, for the last two steps, of
// what was asked of the connection later.
type OpenError struct {
	Step Step
	Hint string // the likely cause and what to do about it; empty where the error says it all
	Err  error  // never nil
}

// Error is step, cause and hint.
func (e *OpenError) Error() string {
	text := e.Err.Error()
	if !strings.HasPrefix(text, string(e.Step)) {
		text = string(e.Step) + ": " + text
	}
	if e.Hint != "" {
		text += ": " + e.Hint
	}
	return text
}

// Unwrap gives the cause.
func (e *OpenError) Unwrap() error { return e.Err }

// AuthError is a broker's refusal of SASL, in its own words.
type AuthError struct {
	Mechanism string
	Code      int16    // the protocol's error code, as kerr.ErrorForCode of franz-go takes it
	Message   string   // the broker's text; often empty
	Offered   []string // the mechanisms that the broker offers, where the mechanism was refused
}

// Error tells mechanism, code and the broker's text.
func (e *AuthError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the broker refuses %s: %s", e.Mechanism, brokerCode(e.Code))
	if e.Message != "" {
		b.WriteString(": " + e.Message)
	}
	if e.Code == codeUnsupportedSASLMechanism {
		offered := "none"
		if len(e.Offered) > 0 {
			offered = strings.Join(e.Offered, ", ")
		}
		b.WriteString(", it offers " + offered)
	}
	return b.String()
}

// answerError is an answer of the broker that is an error code.
type answerError struct{ code int16 }

func (e *answerError) Error() string { return "the broker answers " + brokerCode(e.code) }

// openError names the step and the likely cause of a failure. The loop's own wrapping is taken off: *Error says the same.
func (c *Config) openError(step Step, err error) error {
	err = withoutOp(err)
	return &OpenError{step, c.hint(step, err), err}
}

// withoutOp takes the loop's wrapping off an error that comes from there.
func withoutOp(err error) error {
	if o, ok := err.(*loop.OpError); ok { //nolint:errorlint // the outermost only: an error of a callback may have another one inside
		return o.Err
	}
	return err
}

// hint is the likely cause of a failure, and what to do about it.
func (c *Config) hint(step Step, err error) string {
	var (
		size     *frame.SizeError
		auth     *AuthError
		mismatch *CorrelationError
		proxied  *ProxyError
	)
	switch {
	case errors.As(err, &size) && size.Foreign == frame.ForeignTLSAlert && c.TLS == nil:
		return "set Config.TLS"
	case errors.As(err, &size), errors.Is(err, context.Canceled):
		return "" // it says it all
	case errors.As(err, &auth):
		return authHint(auth)
	case step == StepProxy && errors.As(err, &proxied):
		return proxied.hint()
	case errors.As(err, &mismatch), errors.Is(err, errAnswer), errors.Is(err, loop.ErrShortFrame):
		return "the port does not speak Kafka's protocol"
	}
	switch step {
	case StepResolve:
		return resolveHint(err)
	case StepConnect:
		return c.connectHint(err)
	case StepApiVersions:
		return c.apiVersionsHint(err)
	case StepSASLHandshake:
		return saslHandshakeHint(err)
	case StepSASL:
		return saslHint(err)
	case StepTLS:
		return tlsHint(err)
	default:
		return ""
	}
}

func resolveHint(err error) string {
	var dns *net.DNSError
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name is not known here: check it, or the broker's advertised.listeners"
	case isTimeout(err):
		return "the name server did not answer in time"
	default:
		return ""
	}
}

func (c *Config) connectHint(err error) string {
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens on this port: the broker is down, or has another one"
	case isTimeout(err) && c.TLS != nil:
		return "no answer: the host is down or unreachable, a firewall drops the packets, or TLS was spoken to a plaintext port, which waits for the rest of what it takes for a request"
	case isTimeout(err):
		return "no answer: the host is down or unreachable, or a firewall drops the packets"
	default:
		return ""
	}
}

// tlsHint adds to what the loop says of a failed handshake.
func tlsHint(err error) string {
	if isTimeout(err) {
		return "TLS was spoken to a plaintext port, which waits for the rest of what it takes for a request; or the broker is overloaded or stopped"
	}
	return ""
}

// apiVersionsHint explains the end of the first exchange, where most of what is wrong with a listener's settings shows.
func (c *Config) apiVersionsHint(err error) string {
	switch {
	case hungUp(err) && c.TLS == nil:
		return "the port probably wants TLS (Config.TLS); or the broker is older than 0.10, which knows no ApiVersions (Config.OpenRaw)"
	case hungUp(err):
		return "the broker does not accept this client's certificate, or the lack of one; or it is older than 0.10, which knows no ApiVersions (Config.OpenRaw)"
	case isTimeout(err) && c.TLS == nil:
		return "the port took the connection and says nothing: it wants TLS (Config.TLS), or the broker is overloaded or stopped"
	case isTimeout(err):
		return "the broker is overloaded or stopped"
	default:
		return ""
	}
}

func saslHandshakeHint(err error) string {
	var version *VersionError
	switch {
	case errors.As(err, &version) && version.BrokerMax < 0:
		return "this listener has no SASL: leave Config.SASL out, or connect to one that has"
	case hungUp(err):
		return "the broker ended the connection in place of an answer: this listener probably has no SASL"
	case isTimeout(err):
		return "the broker is overloaded or stopped"
	default:
		return ""
	}
}

func saslHint(err error) string {
	switch {
	case hungUp(err):
		return "the broker ended the connection in place of an answer: it refuses the credentials, and its log says why"
	case isTimeout(err):
		return "neither the broker nor the mechanism's own callback has ended in time"
	default:
		return ""
	}
}

func authHint(e *AuthError) string {
	switch e.Code {
	case codeUnsupportedSASLMechanism:
		if len(e.Offered) == 0 {
			return "this listener has no SASL: leave Config.SASL out, or connect to one that has"
		}
		return "put one of them into Config.SASL"
	case codeIllegalSASLState:
		return "this listener has no SASL: leave Config.SASL out, or connect to one that has"
	case codeSASLAuthenticationFailed:
		return "check the credentials, and that the broker knows them for this mechanism"
	default:
		return ""
	}
}

// hungUp reports whether the broker ended the connection in place of an answer.
func hungUp(err error) bool {
	var truncated *loop.TruncatedError
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.As(err, &truncated)
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.As(err, &t) && t.Timeout()
}
