package frame_test

import (
	"errors"
	"io"
	"testing"

	"kafkaio/frame"
)

func TestErrors(t *testing.T) {
	next := func(b []byte) error {
		var a frame.Assembler
		a.SetMaxBytes(1000)
		_, _, _, err := a.Next(b)
		return err
	}
	request := func(hex string, version int) error {
		_, _, err := frame.ParseRequestHeader(unhex(t, hex), version)
		return err
	}
	response := func(hex string, version int) error {
		_, _, err := frame.ParseResponseHeader(unhex(t, hex), version)
		return err
	}
	skip := func(hex string) error {
		_, err := frame.SkipTags(unhex(t, hex))
		return err
	}
	foreign := func(f frame.Foreign) error {
		return &frame.SizeError{Size: 2000, Limit: 1000, Foreign: f}
	}

	sentinels := []error{io.ErrUnexpectedEOF, frame.ErrHeaderVersion, frame.ErrTooManyTags, frame.ErrVarint, frame.ErrStringLength}
	tests := []struct {
		err  error
		is   error // the only sentinel that it matches; nil for a *SizeError
		text string
	}{
		{next(prefix(1001)), nil, "frame size 1001 is over the limit of 1000 bytes: the peer does not speak Kafka, the stream lost its place, or the limit is too low"},
		{next(prefix(-1)), nil, "frame size -1 is negative, the limit is 1000 bytes: the peer does not speak Kafka, or the stream lost its place"},
		{next([]byte("HTTP")), nil, "frame size 1213486160 is over the limit of 1000 bytes: the peer answers in HTTP: wrong port or a proxy, connect to a Kafka listener"},
		{next([]byte{0x16, 3, 1, 0}), nil, "frame size 369295616 is over the limit of 1000 bytes: the peer starts a TLS handshake: use TLS on both sides or on neither"},
		{next([]byte{0x15, 3, 3, 0}), nil, "frame size 352518912 is over the limit of 1000 bytes: the peer answers with a TLS alert: plaintext was sent to a TLS port, use TLS"},
		{foreign(frame.ForeignHTTPRequest), nil, "frame size 2000 is over the limit of 1000 bytes: the peer sends an HTTP request: it was pointed at the wrong port"},
		{foreign(frame.ForeignSSH), nil, "frame size 2000 is over the limit of 1000 bytes: the peer speaks SSH: wrong port, connect to a Kafka listener"},
		{foreign(frame.ForeignSMTPOrFTP), nil, "frame size 2000 is over the limit of 1000 bytes: the peer greets as a mail or FTP server: wrong port, connect to a Kafka listener"},
		{foreign(frame.ForeignAMQP), nil, "frame size 2000 is over the limit of 1000 bytes: the peer speaks AMQP, as RabbitMQ does: wrong port, connect to a Kafka listener"},
		{foreign(frame.ForeignRedis), nil, "frame size 2000 is over the limit of 1000 bytes: the peer answers with a Redis error: wrong port, connect to a Kafka listener"},
		{foreign(frame.ForeignPostgreSQL), nil, "frame size 2000 is over the limit of 1000 bytes: the peer answers with a PostgreSQL error: wrong port, connect to a Kafka listener"},
		{foreign(frame.ForeignProxyProtocol), nil, "frame size 2000 is over the limit of 1000 bytes: a load balancer sends a PROXY protocol header: switch that off for this listener"},
		{foreign(frame.Foreign(200)), nil, "frame size 2000 is over the limit of 1000 bytes: the peer does not speak Kafka, the stream lost its place, or the limit is too low"},

		{request("", 1), io.ErrUnexpectedEOF, `header field "api key" at offset 0: needs 2 bytes, 0 left: unexpected EOF`},
		{request("0012 00", 1), io.ErrUnexpectedEOF, `header field "api version" at offset 2: needs 2 bytes, 1 left: unexpected EOF`},
		{request("0012 0000 000000", 1), io.ErrUnexpectedEOF, `header field "correlation id" at offset 4: needs 4 bytes, 3 left: unexpected EOF`},
		{request("0012 0000 00000007 00", 1), io.ErrUnexpectedEOF, `header field "client id length" at offset 8: needs 2 bytes, 1 left: unexpected EOF`},
		{request("0012 0000 00000007 0004 7465", 1), io.ErrUnexpectedEOF, `header field "client id" at offset 10: needs 4 bytes, 2 left: unexpected EOF`},
		{request("0012 0000 00000007 fffe", 1), frame.ErrStringLength, `header field "client id length" at offset 8: negative string length other than -1 (null): -2`},
		{request("0012 0003 00000007 ffff", 2), io.ErrUnexpectedEOF, `header field "tag count" at offset 10: needs 1 bytes, 0 left: unexpected EOF`},
		{request("0012 0000 00000007 ffff", 3), frame.ErrHeaderVersion, `header field "header version" at offset 0: unknown header version: 3`},
		{request("0012 0000 00000007 ffff", -1), frame.ErrHeaderVersion, `header field "header version" at offset 0: unknown header version: -1`},
		{response("000000", 0), io.ErrUnexpectedEOF, `header field "correlation id" at offset 0: needs 4 bytes, 3 left: unexpected EOF`},
		{response("00000007 ffffffff0f", 1), frame.ErrTooManyTags, `header field "tag count" at offset 4: too many tags: 4294967295, at most 1024`},
		{response("00000007", 2), frame.ErrHeaderVersion, `header field "header version" at offset 0: unknown header version: 2`},
		{response("00000007", -1), frame.ErrHeaderVersion, `header field "header version" at offset 0: unknown header version: -1`},
		{skip("03 00 00"), io.ErrUnexpectedEOF, `header field "tags" at offset 1: needs 6 bytes, 2 left: unexpected EOF`},
		{skip("01 00 ffffffff0f"), io.ErrUnexpectedEOF, `header field "tag value" at offset 7: needs 4294967295 bytes, 0 left: unexpected EOF`},
		{skip("01 ffffffffff 00"), frame.ErrVarint, `header field "tag" at offset 1: varint longer than 32 bits`},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			if tt.err == nil {
				t.Fatal("no error")
			}
			if got := tt.err.Error(); got != tt.text {
				t.Errorf("got  %s\nwant %s", got, tt.text)
			}
			for _, sentinel := range sentinels {
				if got, want := errors.Is(tt.err, sentinel), sentinel == tt.is; got != want { //nolint:errorlint // the table names the very error
					t.Errorf("errors.Is(%v) is %t, want %t", sentinel, got, want)
				}
			}
			var serr *frame.SizeError
			var herr *frame.HeaderError
			if got, want := errors.As(tt.err, &serr), tt.is == nil; got != want {
				t.Errorf("a *SizeError: %t, want %t", got, want)
			}
			if got, want := errors.As(tt.err, &herr), tt.is != nil; got != want {
				t.Errorf("a *HeaderError: %t, want %t", got, want)
			}
			if timeout, ok := tt.err.(interface{ Timeout() bool }); ok && timeout.Timeout() {
				t.Error("it claims to be a timeout")
			}
		})
	}
}
