package kio

import (
	"encoding/binary"
	"sync/atomic"

	"kafkaio/frame"
)

// carriesSecret reports whether requests of an API, or their answers, are not for the debug output. SaslHandshake itself is public, but what
// follows its version 0 is not, and its answer tells an onlooker where to look.
func carriesSecret(key frame.APIKey) bool {
	return key == frame.APIKeySaslHandshake || key == frame.APIKeySaslAuthenticate
}

// isSecretRequest reports whether a request, without its size, is one of those.
func isSecretRequest(request []byte) bool {
	key, _, ok := requestKey(request)
	return ok && carriesSecret(key)
}

// requestKey reads what every request begins with: API key, version, correlation id.
func requestKey(request []byte) (key frame.APIKey, version int16, ok bool) {
	if len(request) < minRequestBytes {
		return 0, 0, false
	}
	return frame.APIKey(binary.BigEndian.Uint16(request)), int16(binary.BigEndian.Uint16(request[2:])), true
}

// secrecy guesses which bytes of a connection of bytes are not for the debug output. A Conn does not know where frames begin, so it takes
// each message sent for a frame, with or without its size, as clients send them. After a request of SASL everything is secret, both ways,
// until a message that looks like another request: that covers answers, and the bare tokens after a SaslHandshake of version 0.
type secrecy struct{ on atomic.Bool }

const (
	// maxPlausibleKey and maxPlausibleVersion bound what passes for a request, so that a bare token does not: the protocol's own
	// numbers end below 100 and 20 (guessed with room; a wrong guess masks a message too many).
	maxPlausibleKey     = 255
	maxPlausibleVersion = 63
)

// sent reports whether a message on its way out is secret.
func (s *secrecy) sent(message []byte) bool {
	if len(message) >= 4 && int64(binary.BigEndian.Uint32(message)) == int64(len(message)-4) {
		message = message[4:]
	}
	key, version, ok := requestKey(message)
	switch {
	case ok && carriesSecret(key):
		s.on.Store(true)
		return true
	case !s.on.Load():
		return false
	}
	if ok && key >= 0 && key <= maxPlausibleKey && version >= 0 && version <= maxPlausibleVersion && plausibleClientID(message) {
		s.on.Store(false)
		return false
	}
	return true
}

// plausibleClientID reports whether the nullable string after the first 8 bytes of a request fits into it.
func plausibleClientID(request []byte) bool {
	if len(request) < minRequestBytes+2 {
		return false
	}
	n := int16(binary.BigEndian.Uint16(request[minRequestBytes:]))
	return n >= -1 && int(n) <= len(request)-minRequestBytes-2
}

// received reports whether what comes in is secret.
func (s *secrecy) received() bool { return s.on.Load() }
