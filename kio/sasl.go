package kio

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/frame"
)

// safeInPlaintext are the mechanisms whose secret cannot be read off the wire. SCRAM proves that it knows the password without sending it; who
// listens can still try passwords on what he has recorded, so that a weak one is not safe. All others are taken to send a secret as it is.
var safeInPlaintext = []string{"SCRAM-SHA-256", "SCRAM-SHA-512", "GSSAPI"}

// checkSASL refuses what is no list of mechanisms, and secrets over plaintext, before anything is sent.
func (c *Config) checkSASL(addr string) *Error {
	for i, m := range c.SASL {
		switch {
		case m == nil:
			return invalid("dial", addr, "Config.SASL[%d] is nil", i)
		case c.TLS == nil && !c.AllowPlaintextSASL && !slices.Contains(safeInPlaintext, m.Name()):
			return invalid("dial", addr, "Config.SASL has %s, which would send its secret in plaintext: set Config.TLS, or Config.AllowPlaintextSASL if the network may see it", m.Name())
		}
	}
	if c.OpenRaw && len(c.SASL) > 0 {
		return invalid("dial", addr, "Config.OpenRaw leaves SASL out, but Config.SASL has mechanisms: set one of them")
	}
	return nil
}

// authenticator is how a connection has been authenticated, and is authenticated again. Immutable.
type authenticator struct {
	mechanism    sasl.Mechanism
	handshake    int16 // the version of SaslHandshake
	authenticate int16 // the version of SaslAuthenticate; -1 for bare tokens
}

// newAuthenticator chooses the versions. A SaslHandshake of version 0 is followed by bare tokens, as brokers before 1.0 have it (KIP-152).
func (b *Broker) newAuthenticator(m sasl.Mechanism) (*authenticator, error) {
	handshake, err := b.commonVersion(int16(frame.APIKeySaslHandshake), 0, 1, "")
	if err != nil {
		return nil, err
	}
	if handshake == 0 {
		return &authenticator{m, 0, bareTokens}, nil
	}
	authenticate, err := b.commonVersion(int16(frame.APIKeySaslAuthenticate), 0, 2, "")
	if err != nil {
		if theirs, _ := b.versions.find(int16(frame.APIKeySaslHandshake)); theirs.min > 0 {
			return nil, err
		}
		return &authenticator{m, 0, bareTokens}, nil
	}
	return &authenticator{m, handshake, authenticate}, nil
}

// bareTokens stands for the version of SaslAuthenticate where there is none.
const bareTokens = -1

// saslHandshake asks for a mechanism. The error is an *AuthError where the broker refuses it.
func (b *Broker) saslHandshake(ctx context.Context, a *authenticator) error {
	r := kmsg.NewPtrSASLHandshakeRequest()
	r.Version, r.Mechanism = a.handshake, a.mechanism.Name()
	answer, err := b.ahead(ctx, r)
	if err != nil {
		return err
	}
	p := parser{b: answer}
	code := p.int16()
	var offered []string
	for range p.arrayLen(false, 2) {
		offered = append(offered, brokerText(p.text(false), nil))
	}
	switch {
	case p.err != nil:
		return p.err
	case code != 0:
		return &AuthError{Mechanism: a.mechanism.Name(), Code: code, Offered: offered}
	default:
		return nil
	}
}

// credentials are a mechanism's session and its first token.
type credentials struct {
	session sasl.Session
	token   []byte
}

// credentials runs the mechanism's callback, on the calling goroutine. The host is the one that was dialled, with its port: the one that the cluster
// advertises, not an address that it resolved to.
func (b *Broker) credentials(ctx context.Context, m sasl.Mechanism) (credentials, error) {
	session, token, err := m.Authenticate(ctx, b.addr)
	switch {
	case errors.Is(err, context.DeadlineExceeded): // of the context that the callback was given: to callers one timeout is like another
		return credentials{}, fmt.Errorf("%s has no credentials: %w: %w", m.Name(), os.ErrDeadlineExceeded, err)
	case err != nil:
		return credentials{}, fmt.Errorf("%s has no credentials: %w", m.Name(), err)
	case len(token) == 0:
		return credentials{}, fmt.Errorf("%s waits for the broker's word, but with Kafka clients begin", m.Name())
	}
	return credentials{session, token}, nil
}

// saslAuthenticate exchanges tokens until both sides are content. It gives for how long the session lasts, 0 for ever, and when that began at the
// latest: before the last question was sent.
func (b *Broker) saslAuthenticate(ctx context.Context, a *authenticator, c credentials) (lifetime time.Duration, since time.Time, err error) {
	secret := secretOf(a.mechanism.Name(), c.token)
	for done := false; ; {
		since = time.Now()
		var challenge []byte
		challenge, lifetime, err = b.sendToken(ctx, a, c.token, secret)
		if err != nil || done {
			return lifetime, since, err
		}
		done, c.token, err = c.session.Challenge(challenge)
		switch {
		case err != nil:
			err = fmt.Errorf("%s does not accept the broker's answer: %w", a.mechanism.Name(), err)
			return 0, since, b.bearerRefusal(ctx, a, challenge, secret, err)
		case done && len(c.token) == 0:
			return lifetime, since, nil
		case done && a.authenticate == bareTokens: // which nobody answers, so that the next answer would be taken for its own
			return 0, since, errors.New(a.mechanism.Name() + " ends with a word of its own, which needs a broker with SaslAuthenticate (0.11 or later)")
		}
	}
}

// bearerRefusal gives the broker's reason where it has refused a bearer's token. It tells one only after the client has acknowledged the refusal
// (RFC 7628 section 3.2.3), which the mechanism leaves out. For all other errors it gives err.
func (b *Broker) bearerRefusal(ctx context.Context, a *authenticator, challenge, secret []byte, err error) error {
	if a.mechanism.Name() != "OAUTHBEARER" || len(challenge) == 0 || a.authenticate == bareTokens {
		return err
	}
	var refused *AuthError
	if _, _, reason := b.sendToken(ctx, a, []byte{1}, secret); errors.As(reason, &refused) {
		return refused
	}
	return err
}

// maxLifetime bounds what a broker may say: with more, sums of times would overflow.
const maxLifetime = 365 * 24 * time.Hour

// sendToken sends one token and gives the broker's. secret is what its errors must not tell.
func (b *Broker) sendToken(ctx context.Context, a *authenticator, token, secret []byte) (challenge []byte, lifetime time.Duration, err error) {
	if a.authenticate == bareTokens {
		challenge, err = b.aheadRaw(ctx, token)
		return challenge, 0, err
	}
	r := kmsg.NewPtrSASLAuthenticateRequest()
	r.Version, r.SASLAuthBytes = a.authenticate, token
	answer, err := b.ahead(ctx, r)
	if err != nil {
		return nil, 0, err
	}
	code, message, challenge, millis, err := parseSASLAuthenticate(answer, a.authenticate)
	switch {
	case err != nil:
		return nil, 0, err
	case code != 0:
		return nil, 0, &AuthError{Mechanism: a.mechanism.Name(), Code: code, Message: brokerText(message, secret)}
	}
	millis = min(max(millis, 0), maxLifetime.Milliseconds())
	return challenge, time.Duration(millis) * time.Millisecond, nil
}

// parseSASLAuthenticate reads the body of an answer to SaslAuthenticate (SaslAuthenticateResponse.json).
func parseSASLAuthenticate(body []byte, version int16) (code int16, message string, token []byte, lifetimeMillis int64, err error) {
	const flexibleFrom, lifetimeFrom = 2, 1
	p := parser{b: body}
	flexible := version >= flexibleFrom
	code = p.int16()
	message = p.text(flexible)
	token = p.bytes(flexible)
	if version >= lifetimeFrom {
		lifetimeMillis = p.int64()
	}
	if flexible {
		p.skipTags()
	}
	return code, message, token, lifetimeMillis, p.err
}

// maxBrokerText is how much of a broker's text goes into an error (guessed: Kafka's own are a line).
const maxBrokerText = 500

// brokerText is a broker's text as it can stand in an error: not too long, without control characters, and without the secret, should it quote it.
func brokerText(text string, secret []byte) string {
	if len(secret) > 0 {
		text = strings.ReplaceAll(text, string(secret), "[masked]")
	}
	if len(text) > maxBrokerText {
		text = text[:maxBrokerText] + "…"
	}
	text = strings.ToValidUTF8(text, "?")
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
}

// secretOf is what of a token must not be told: the password of PLAIN (RFC 4616 section 2), the bearer's token of OAUTHBEARER (RFC 7628 section 3.1),
// nothing of SCRAM, and all of what is not known.
func secretOf(mechanism string, token []byte) []byte {
	switch {
	case slices.Contains(safeInPlaintext, mechanism):
		return nil
	case mechanism == "PLAIN":
		return token[bytes.LastIndexByte(token, 0)+1:]
	case mechanism == "OAUTHBEARER":
		_, bearer, _ := bytes.Cut(token, []byte("auth=Bearer "))
		bearer, _, _ = bytes.Cut(bearer, []byte{1})
		return bearer
	default:
		return token
	}
}

// ahead sends a request of the connection's own, past Hold, and gives the body of its answer.
func (b *Broker) ahead(ctx context.Context, r kmsg.Request) ([]byte, error) {
	request := appendRequest(nil, r, b.clientID)
	secret := isSecretRequest(request)
	b.trace.message("sent", b.addr, request, secret)
	answer, err := b.conn.Ahead(ctx, request, 0)
	if err != nil {
		return nil, err
	}
	b.trace.message("received", b.addr, answer, secret)
	_, body, err := frame.ParseResponseHeader(answer, responseHeaderVersion(r))
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", errAnswer, err)
	}
	return body, nil
}

// aheadRaw sends a bare token and gives the broker's.
func (b *Broker) aheadRaw(ctx context.Context, token []byte) ([]byte, error) {
	b.trace.message("sent", b.addr, token, true)
	answer, err := b.conn.AheadRaw(ctx, token, 0)
	if err != nil {
		return nil, err
	}
	b.trace.message("received", b.addr, answer, true)
	return answer, nil
}

// fallback gives the mechanisms that are left to try after the first was refused: those that the broker offers, in Config's order.
func fallback(left []sasl.Mechanism, err error) []sasl.Mechanism {
	var refused *AuthError
	if !errors.As(err, &refused) || refused.Code != codeUnsupportedSASLMechanism {
		return nil
	}
	var offered []sasl.Mechanism
	for _, m := range left {
		if slices.Contains(refused.Offered, m.Name()) {
			offered = append(offered, m)
		}
	}
	return offered
}
