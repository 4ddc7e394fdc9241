package frame_test

import (
	"encoding/binary"
	"errors"
	"testing"

	"kafkaio/frame"
)

// greetings are what other servers and clients really send first.
var greetings = []struct {
	bytes string
	want  frame.Foreign
}{
	{"HTTP/1.1 400 Bad Request\r\n", frame.ForeignHTTP},
	{"<html>\r\n<head>", frame.ForeignHTTP},
	{"<!DOCTYPE html>", frame.ForeignHTTP},
	{"<!doctype html>", frame.ForeignHTTP},
	{"GET / HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"POST /topics HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"PUT /x HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"HEAD / HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"DELETE /x HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"OPTIONS * HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"PATCH /x HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"CONNECT a:1 HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"TRACE / HTTP/1.1\r\n", frame.ForeignHTTPRequest},
	{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", frame.ForeignHTTPRequest},
	{"\x16\x03\x01\x02\x00\x01", frame.ForeignTLSHandshake},
	{"\x16\x03\x03\x00\x7a\x02", frame.ForeignTLSHandshake},
	{"\x15\x03\x03\x00\x02\x02\x32", frame.ForeignTLSAlert},
	{"\x15\x03\x01\x00\x02\x02\x46", frame.ForeignTLSAlert},
	{"SSH-2.0-OpenSSH_9.9\r\n", frame.ForeignSSH},
	{"220 mail.example.org ESMTP\r\n", frame.ForeignSMTPOrFTP},
	{"220-Welcome\r\n", frame.ForeignSMTPOrFTP},
	{"AMQP\x00\x00\x09\x01", frame.ForeignAMQP},
	{"-ERR unknown command\r\n", frame.ForeignRedis},
	{"-NOAUTH Authentication required.\r\n", frame.ForeignRedis},
	{"-DENIED Redis is running in protected mode", frame.ForeignRedis},
	{"E\x00\x00\x00\x8cSFATAL\x00", frame.ForeignPostgreSQL},
	{"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n", frame.ForeignProxyProtocol},
	{"\r\n\r\n\x00\r\nQUIT\n", frame.ForeignProxyProtocol},
}

func TestRecogniseKnowsWhatOthersSay(t *testing.T) {
	for _, tt := range greetings {
		if got := frame.Recognise([]byte(tt.bytes)); got != tt.want {
			t.Errorf("Recognise(%q) = %v, want %v", tt.bytes, got, tt.want)
		}
		// None may pass as a size under the default limit, or it would never be looked at.
		if size := int32(binary.BigEndian.Uint32([]byte(tt.bytes))); size >= 0 && size <= frame.DefaultMaxBytes {
			t.Errorf("%q is an acceptable size, %d", tt.bytes, size)
		}
		for cut := range frame.SizeBytes { // however the four bytes arrive
			var a frame.Assembler
			if _, _, _, err := a.Next([]byte(tt.bytes)[:cut]); err != nil {
				t.Fatalf("%q: error after %d bytes: %v", tt.bytes, cut, err)
			}
			_, _, _, err := a.Next([]byte(tt.bytes)[cut:])
			var serr *frame.SizeError
			if !errors.As(err, &serr) || serr.Foreign != tt.want {
				t.Errorf("%q cut at %d: error %v, want foreign %v", tt.bytes, cut, err, tt.want)
			}
		}
	}
}

func TestRecogniseDoesNotGuess(t *testing.T) {
	for _, s := range []string{
		"", "H", "HTT", "SSH", "\x16", "\x15\x03",
		"\x16\x03\x05\x00", "\x16\x04\x03\x00", "\x17\x03\x03\x00", // not a TLS version, not a handshake
		"http", "Http", "GETS", "AMQQ", "+ERR", "E\x00\x00\x01",
		"\x00\x00\x00\x10", "\xff\xff\xff\xff", "\x4a\x00\x00\x00", // small, -1, a MySQL greeting
	} {
		if got := frame.Recognise([]byte(s)); got != frame.ForeignNone {
			t.Errorf("Recognise(%q) = %v, want none", s, got)
		}
	}
}

func TestThreeBytesAreEnoughForTLS(t *testing.T) {
	if got := frame.Recognise([]byte{0x15, 3, 3}); got != frame.ForeignTLSAlert {
		t.Errorf("got %v, want a TLS alert", got)
	}
	if got := frame.Recognise([]byte{0x16, 3, 1}); got != frame.ForeignTLSHandshake {
		t.Errorf("got %v, want a TLS handshake", got)
	}
}

func TestEveryForeignHasAName(t *testing.T) {
	seen := map[string]frame.Foreign{}
	for f := frame.ForeignNone; f <= frame.ForeignProxyProtocol; f++ {
		name := f.String()
		if other, ok := seen[name]; ok || name == "" {
			t.Errorf("Foreign %d is called %q, as is %d", uint8(f), name, uint8(other))
		}
		seen[name] = f
	}
	if got, want := frame.Foreign(200).String(), "Foreign(200)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
