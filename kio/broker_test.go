package kio_test

import (
	"encoding/binary"
	"io"
	"net"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
)

// Error codes that the scripted broker answers with (apache/kafka Errors.java).
const (
	unsupportedMechanism = 33
	illegalSASLState     = 34
	unsupportedVersion   = 35
	invalidRequest       = 42
	authenticationFailed = 58
)

// strictBroker is a broker whose rules for SASL are those of Kafka, word for word: a request on a session that has ended, or between a handshake and
// its token, ends the connection, and so does a second re-authentication within a second. Fields are set before the first connection.
type strictBroker struct {
	versions map[int16][2]int16 // by API key; nil is versionsOfToday
	offered  []string           // mechanisms; none: SASL is not asked for, and refused
	// verify answers a token: a challenge, whether that was the last one, and a refusal.
	verify   func(mechanism string, token []byte) (challenge []byte, done bool, code int16, text string)
	lifetime time.Duration             // of sessions
	lenient  bool                      // takes requests after the end of a session, too: for tests that a session's end has nothing to do with
	slow     time.Duration             // each request but those of SASL takes so long
	throttle time.Duration             // in answers to Heartbeat
	before   func(r kmsg.Request) bool // not nil: called with each request but those of SASL; false ends the connection

	mu         sync.Mutex
	handshakes []string // mechanisms asked for
	renewals   int      // re-authentications begun
	rejected   []string // what was wrong with connections that were ended
	asked      []kmsg.Request
}

var versionsOfToday = map[int16][2]int16{1: {4, 17}, 3: {0, 13}, 12: {0, 4}, 17: {0, 1}, 18: {0, 4}, 36: {0, 2}}

// script serves one connection.
func (s *strictBroker) script(p *hostile.Peer) {
	c := &strictConn{strictBroker: s, peer: p}
	for c.serve() {
	}
	_ = p.Close()
}

// strictConn is the broker's side of one connection.
type strictConn struct {
	*strictBroker
	peer          *hostile.Peer
	mechanism     string
	shaking       bool // after a handshake, before the last token
	bare          bool // tokens have no headers
	authenticated bool
	ends          time.Time
	renewed       time.Time
}

func (s *strictBroker) reject(why string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected = append(s.rejected, why)
	return false
}

func (s *strictBroker) rejections() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.rejected...)
}

func (s *strictBroker) handshaken() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.handshakes...)
}

func (s *strictBroker) requests() []kmsg.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]kmsg.Request(nil), s.asked...)
}

// serve answers one request, and reports whether the connection goes on.
func (c *strictConn) serve() bool {
	if c.bare {
		return c.serveBare()
	}
	raw, err := c.peer.ReadRequest()
	if err != nil {
		return false
	}
	r, id := decodeRequest(raw)
	if r == nil {
		return c.reject("unreadable request")
	}
	c.mu.Lock()
	c.asked = append(c.asked, r)
	c.mu.Unlock()
	switch r := r.(type) {
	case *kmsg.ApiVersionsRequest:
		return c.apiVersions(r, id)
	case *kmsg.SASLHandshakeRequest:
		return c.handshake(r, id)
	case *kmsg.SASLAuthenticateRequest:
		return c.authenticate(r, id)
	}
	switch {
	case c.shaking:
		return c.reject("a request between handshake and authentication")
	case len(c.offered) > 0 && !c.authenticated:
		return c.reject("a request without authentication")
	case !c.lenient && !c.ends.IsZero() && time.Now().After(c.ends):
		return c.reject("a request after the end of the session")
	}
	if c.slow > 0 {
		<-time.After(c.slow)
	}
	if c.before != nil && !c.before(r) {
		return false
	}
	response := r.ResponseKind()
	switch r := r.(type) {
	case *kmsg.MetadataRequest:
		for _, rt := range r.Topics {
			t := kmsg.NewMetadataResponseTopic()
			t.Topic = rt.Topic
			m := response.(*kmsg.MetadataResponse)
			m.Topics = append(m.Topics, t)
		}
	case *kmsg.DescribeClusterRequest: // as a controller's listener answers it: there is one, and this is it
		host, port, _ := net.SplitHostPort(c.peer.LocalAddr().String())
		n, _ := strconv.Atoi(port)
		self := kmsg.NewDescribeClusterResponseBroker()
		self.NodeID, self.Host, self.Port = 1000, host, int32(n) //nolint:gosec // a port
		d := response.(*kmsg.DescribeClusterResponse)
		d.ClusterID, d.Brokers = "controllers", append(d.Brokers, self)
	case *kmsg.HeartbeatRequest:
		response.(*kmsg.HeartbeatResponse).ThrottleMillis = int32(c.throttle.Milliseconds())
	}
	return c.answer(id, response)
}

func (c *strictConn) apiVersions(r *kmsg.ApiVersionsRequest, id int32) bool {
	versions := c.versions
	if versions == nil {
		versions = versionsOfToday
	}
	response := r.ResponseKind().(*kmsg.ApiVersionsResponse)
	if own := versions[18]; r.Version > own[1] {
		response.Version, response.ErrorCode = 0, unsupportedVersion
		if own[1] < 3 { // before KIP-511 the rest is empty
			return c.answer(id, response)
		}
	}
	for key, v := range versions {
		response.ApiKeys = append(response.ApiKeys, kmsg.ApiVersionsResponseApiKey{ApiKey: key, MinVersion: v[0], MaxVersion: v[1]})
	}
	return c.answer(id, response)
}

func (c *strictConn) handshake(r *kmsg.SASLHandshakeRequest, id int32) bool {
	response := r.ResponseKind().(*kmsg.SASLHandshakeResponse)
	response.SupportedMechanisms = c.offered
	refuse := func(code int16) bool {
		response.ErrorCode = code
		c.answer(id, response)
		return false
	}
	if len(c.offered) == 0 {
		return refuse(illegalSASLState)
	}
	if c.authenticated {
		early := !c.renewed.IsZero() && time.Since(c.renewed) < time.Second
		c.renewed = time.Now()
		c.mu.Lock()
		c.renewals++
		c.mu.Unlock()
		if c.ends.IsZero() || early || r.Mechanism != c.mechanism {
			c.reject("a re-authentication too early, or by another mechanism")
			return refuse(illegalSASLState)
		}
	}
	c.mu.Lock()
	c.handshakes = append(c.handshakes, r.Mechanism)
	c.mu.Unlock()
	known := false
	for _, m := range c.offered {
		known = known || m == r.Mechanism
	}
	if !known {
		return refuse(unsupportedMechanism)
	}
	c.mechanism, c.shaking, c.bare = r.Mechanism, true, r.Version == 0
	return c.answer(id, response)
}

func (c *strictConn) authenticate(r *kmsg.SASLAuthenticateRequest, id int32) bool {
	response := r.ResponseKind().(*kmsg.SASLAuthenticateResponse)
	if !c.shaking {
		response.ErrorCode = illegalSASLState
		return c.answer(id, response) && false
	}
	challenge, done, code, text := c.verify(c.mechanism, r.SASLAuthBytes)
	response.SASLAuthBytes = challenge
	if code != 0 {
		response.ErrorCode, response.ErrorMessage = code, &text
		return c.answer(id, response) && false
	}
	if done {
		c.shaking, c.authenticated = false, true
		if c.lifetime > 0 && r.Version >= 1 {
			c.ends = time.Now().Add(c.lifetime)
			response.SessionLifetimeMillis = c.lifetime.Milliseconds()
		}
	}
	return c.answer(id, response)
}

// serveBare answers a token without header. A refusal is the end of the connection, as there is no other way to tell it.
func (c *strictConn) serveBare() bool {
	size := make([]byte, 4)
	if _, err := io.ReadFull(c.peer, size); err != nil {
		return false
	}
	token := make([]byte, binary.BigEndian.Uint32(size))
	if _, err := io.ReadFull(c.peer, token); err != nil {
		return false
	}
	challenge, done, code, _ := c.verify(c.mechanism, token)
	if code != 0 {
		return false
	}
	c.bare = !done
	c.authenticated, c.shaking = done, !done
	_, err := c.peer.Write(framed(challenge))
	return err == nil
}

func (c *strictConn) answer(id int32, r kmsg.Response) bool {
	var body []byte
	if r.IsFlexible() && r.Key() != 18 {
		body = append(body, 0)
	}
	return c.peer.Answer(id, r.AppendTo(body)) == nil
}

// decodeRequest reads a request, nil where it cannot be read.
func decodeRequest(raw []byte) (kmsg.Request, int32) {
	r := kmsg.RequestForKey(int16(binary.BigEndian.Uint16(raw)))
	if r == nil {
		return nil, 0
	}
	r.SetVersion(int16(binary.BigEndian.Uint16(raw[2:])))
	id := int32(binary.BigEndian.Uint32(raw[4:]))
	body := raw[8:]
	if n := int16(binary.BigEndian.Uint16(body)); n >= 0 {
		body = body[n:]
	}
	body = body[2:]
	if r.IsFlexible() {
		body = body[1:] // no tags: this client sends none
	}
	if r.ReadFrom(body) != nil {
		return nil, 0
	}
	return r, id
}

// password is a verify of PLAIN, for alice.
func password(password string) func(string, []byte) ([]byte, bool, int16, string) {
	return func(_ string, token []byte) ([]byte, bool, int16, string) {
		if string(token) != "\x00alice\x00"+password {
			return nil, false, authenticationFailed, "Authentication failed: Invalid username or password"
		}
		return nil, true, 0, ""
	}
}

// listen starts the broker.
func (s *strictBroker) listen(t *testing.T) string {
	t.Helper()
	return hostile.Listen(t, s.script).Addr()
}
