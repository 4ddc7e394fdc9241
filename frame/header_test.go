package frame_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
)

func ptr(s string) *string { return &s }

func sameHeader(a, b frame.RequestHeader) bool {
	sameID := (a.ClientID == nil) == (b.ClientID == nil) && (a.ClientID == nil || *a.ClientID == *b.ClientID)
	return a.Key == b.Key && a.Version == b.Version && a.CorrelationID == b.CorrelationID && sameID
}

// requestGolden was written by hand from the grammar in the protocol guide, "Headers".
var requestGolden = []struct {
	name          string
	headerVersion int
	header        frame.RequestHeader
	hex           string
}{
	{"v0", 0, frame.RequestHeader{Key: frame.APIKeyControlledShutdown, CorrelationID: 1}, "0007 0000 00000001"},
	{"v1", 1, frame.RequestHeader{Key: frame.APIKeyApiVersions, CorrelationID: 7, ClientID: ptr("test")}, "0012 0000 00000007 0004 74657374"},
	{"v1 null", 1, frame.RequestHeader{Key: frame.APIKeyMetadata, Version: 8, CorrelationID: -2}, "0003 0008 fffffffe ffff"},
	{"v1 empty", 1, frame.RequestHeader{Key: frame.APIKeyFetch, Version: 11, CorrelationID: 0x01020304, ClientID: ptr("")}, "0001 000b 01020304 0000"},
	{"v2", 2, frame.RequestHeader{Key: frame.APIKeyApiVersions, Version: 3, CorrelationID: 7, ClientID: ptr("é")}, "0012 0003 00000007 0002 c3a9 00"},
	{"v2 null", 2, frame.RequestHeader{Key: frame.APIKeyProduce, Version: 9, CorrelationID: 0x7fffffff}, "0000 0009 7fffffff ffff 00"},
	{"v2 odd numbers", 2, frame.RequestHeader{Key: -1, Version: -1, CorrelationID: -1, ClientID: ptr("\x00")}, "ffff ffff ffffffff 0001 00 00"},
}

func TestRequestHeaderGoldenBytesBothWays(t *testing.T) {
	for _, tt := range requestGolden {
		t.Run(tt.name, func(t *testing.T) {
			want := unhex(t, tt.hex)
			got := frame.AppendRequestHeader([]byte("before"), tt.headerVersion, tt.header)
			if !bytes.Equal(got, append([]byte("before"), want...)) {
				t.Errorf("appended %x, want %x", got[len("before"):], want)
			}
			input := append(want, "body"...)
			h, body, err := frame.ParseRequestHeader(input, tt.headerVersion)
			if err != nil {
				t.Fatal(err)
			}
			if !sameHeader(h, tt.header) || string(body) != "body" {
				t.Errorf("parsed %+v and body %q, want %+v and %q", h, body, tt.header, "body")
			}
			clear(input)
			if !sameHeader(h, tt.header) || string(body) != "\x00\x00\x00\x00" {
				t.Error("the header aliases the input, or the body does not")
			}
		})
	}
}

func TestEveryTruncatedRequestHeaderIsAnUnexpectedEOF(t *testing.T) {
	for _, tt := range requestGolden {
		whole := unhex(t, tt.hex)
		for n := range whole {
			h, body, err := frame.ParseRequestHeader(whole[:n], tt.headerVersion)
			var herr *frame.HeaderError
			if !errors.As(err, &herr) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s, %d of %d bytes: error %v, want a *HeaderError for io.ErrUnexpectedEOF", tt.name, n, len(whole), err)
			}
			if body != nil || !sameHeader(h, frame.RequestHeader{}) {
				t.Errorf("%s, %d bytes: half a header beside the error", tt.name, n)
			}
			if herr.Offset > n {
				t.Errorf("%s: offset %d in %d bytes", tt.name, herr.Offset, n)
			}
		}
	}
}

func TestRequestHeadersMatchKmsg(t *testing.T) {
	apiVersions := func(version int16) kmsg.Request {
		r := kmsg.NewPtrApiVersionsRequest()
		r.Version, r.ClientSoftwareName, r.ClientSoftwareVersion = version, "kafkaio", "1"
		return r
	}
	metadata := func(version int16) kmsg.Request {
		r := kmsg.NewPtrMetadataRequest()
		topic := kmsg.NewMetadataRequestTopic()
		topic.Topic = kmsg.StringPtr("orders")
		r.Version, r.Topics = version, append(r.Topics, topic)
		return r
	}
	produce := func(version int16) kmsg.Request {
		r := kmsg.NewPtrProduceRequest()
		topic := kmsg.NewProduceRequestTopic()
		partition := kmsg.NewProduceRequestTopicPartition()
		partition.Records = []byte("records")
		topic.Topic, topic.Partitions = "orders", append(topic.Partitions, partition)
		r.Version, r.Acks, r.Topics = version, -1, append(r.Topics, topic)
		return r
	}
	tests := []struct {
		request       kmsg.Request
		headerVersion int
	}{
		{apiVersions(0), 1},
		{apiVersions(2), 1},
		{apiVersions(3), 2},
		{apiVersions(4), 2},
		{metadata(1), 1},
		{metadata(8), 1},
		{metadata(9), 2},
		{metadata(12), 2},
		{produce(3), 1},
		{produce(8), 1},
		{produce(9), 2},
		{produce(12), 2},
	}
	for _, tt := range tests {
		for _, client := range []*string{nil, ptr(""), ptr("kafkaio"), ptr(strings.Repeat("x", 300))} {
			var options []kmsg.RequestFormatterOpt
			if client != nil {
				options = append(options, kmsg.FormatterClientID(*client))
			}
			// AppendRequest puts the length at the start of its slice, so that has to be empty.
			framed := kmsg.NewRequestFormatter(options...).AppendRequest(nil, tt.request, 0x0a0b0c0d)
			want := frame.RequestHeader{
				Key:           frame.APIKey(tt.request.Key()),
				Version:       tt.request.GetVersion(),
				CorrelationID: 0x0a0b0c0d,
				ClientID:      client,
			}
			var a frame.Assembler
			f, rest, ok, err := a.Next(framed)
			if err != nil || !ok || len(rest) != 0 {
				t.Fatalf("%v v%d: frame not taken whole: ok %t, %d left, error %v", want.Key, want.Version, ok, len(rest), err)
			}
			wantBody := tt.request.AppendTo(nil)

			got := frame.AppendRequestHeader(nil, tt.headerVersion, want)
			if got = append(got, wantBody...); !bytes.Equal(got, f.Payload) {
				t.Errorf("%v v%d: we write %x, kmsg %x", want.Key, want.Version, got, f.Payload)
			}
			h, body, err := frame.ParseRequestHeader(f.Payload, tt.headerVersion)
			if err != nil {
				t.Fatalf("%v v%d: %v", want.Key, want.Version, err)
			}
			if !sameHeader(h, want) || !bytes.Equal(body, wantBody) {
				t.Errorf("%v v%d: parsed %+v and %d bytes of body, want %+v and %d", want.Key, want.Version, h, len(body), want, len(wantBody))
			}
		}
	}
}

func TestResponseHeaderGoldenBytes(t *testing.T) {
	tests := []struct {
		name          string
		headerVersion int
		hex           string
		want          frame.CorrelationID
		body          string
	}{
		{"v0", 0, "00000007", 7, ""},
		{"v0 with body", 0, "ffffffff 0023", -1, "\x00\x23"},
		{"v1", 1, "01020304 00 aabb", 0x01020304, "\xaa\xbb"},
		{"v1 with a tag", 1, "00000007 01 00 02 cccc aa", 7, "\xaa"},
		{"v1 with two tags", 1, "00000007 02 01 00 9003 01 ff aa", 7, "\xaa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			id, body, err := frame.ParseResponseHeader(b, tt.headerVersion)
			if err != nil || id != tt.want || string(body) != tt.body {
				t.Fatalf("got %d, %x, %v, want %d, %x", id, body, err, tt.want, tt.body)
			}
			if id, ok := frame.PeekCorrelationID(b); !ok || id != tt.want {
				t.Errorf("peeked %d, %t, want %d", id, ok, tt.want)
			}
			for n := range len(b) - len(tt.body) {
				_, body, err := frame.ParseResponseHeader(b[:n], tt.headerVersion)
				if herr := new(frame.HeaderError); !errors.As(err, &herr) || !errors.Is(err, io.ErrUnexpectedEOF) || body != nil {
					t.Errorf("%d bytes: error %v, want io.ErrUnexpectedEOF", n, err)
				}
			}
		})
	}
}

func TestPeekNeedsFourBytes(t *testing.T) {
	for n := range 4 {
		if id, ok := frame.PeekCorrelationID(make([]byte, n)); ok || id != 0 {
			t.Errorf("peeked %d into %d bytes", id, n)
		}
	}
}

func TestPutCorrelationIDChangesNothingElse(t *testing.T) {
	for _, tt := range requestGolden {
		request := append(unhex(t, tt.hex), "body"...)
		want := tt.header
		want.CorrelationID = -0x01020304
		frame.PutCorrelationID(request, want.CorrelationID)
		h, body, err := frame.ParseRequestHeader(request, tt.headerVersion)
		if err != nil || !sameHeader(h, want) || string(body) != "body" {
			t.Errorf("%s: got %+v, %q, %v, want %+v", tt.name, h, body, err, want)
		}
	}
}

func TestMisuseOfHeadersPanics(t *testing.T) {
	tests := map[string]func(){
		"header version -1":    func() { frame.AppendRequestHeader(nil, -1, frame.RequestHeader{}) },
		"header version 3":     func() { frame.AppendRequestHeader(nil, 3, frame.RequestHeader{}) },
		"long client id":       func() { appendClientID(frame.MaxClientIDBytes + 1) },
		"put into seven bytes": func() { frame.PutCorrelationID(make([]byte, frame.RequestHeaderMinBytes-1), 1) },
	}
	for name, f := range tests {
		t.Run(name, func(t *testing.T) {
			defer wantPanic(t, "frame: ")
			f()
		})
	}
}

func appendClientID(n int) []byte {
	return frame.AppendRequestHeader(nil, 1, frame.RequestHeader{ClientID: ptr(strings.Repeat("x", n))})
}

func TestTheLongestClientIDSurvives(t *testing.T) {
	h, body, err := frame.ParseRequestHeader(appendClientID(frame.MaxClientIDBytes), 1)
	if err != nil || len(body) != 0 || len(*h.ClientID) != frame.MaxClientIDBytes {
		t.Fatalf("got %d bytes of body, error %v", len(body), err)
	}
}

func TestHeadersAllocateOnlyTheClientID(t *testing.T) {
	h := frame.RequestHeader{Key: frame.APIKeyMetadata, Version: 12, CorrelationID: 1, ClientID: ptr("client")}
	buf := make([]byte, 0, 64)
	response := unhex(t, "00000007 01 00 02 cccc aa")
	got := testing.AllocsPerRun(100, func() {
		buf = frame.AppendRequestHeader(buf[:0], 2, h)
		frame.PutCorrelationID(buf, 2)
		if _, _, err := frame.ParseResponseHeader(response, 1); err != nil {
			t.Fatal(err)
		}
	})
	if got != 0 {
		t.Errorf("%v allocations, want none", got)
	}
}
