package front_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/peers/internal/front"
	"kafkaio/stress/peers/internal/identity"
	"kafkaio/stress/peers/internal/work"
)

const fetchBytes = 100 << 10

// start returns a running front and how to reach it.
func start(t *testing.T) (*front.Front, func() net.Conn) {
	t.Helper()
	dir := t.TempDir()
	if err := identity.Write(dir); err != nil {
		t.Fatal(err)
	}
	server, err := identity.Server(dir, work.TLS)
	if err != nil {
		t.Fatal(err)
	}
	client, err := identity.Client(dir)
	if err != nil {
		t.Fatal(err)
	}
	f, err := front.Start(front.Config{
		Addrs: []string{"127.0.0.1:0"}, TLS: server,
		Answers: responder.Config{FetchBytes: fetchBytes, Topic: work.Topic},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, func() net.Conn {
		nc, err := tls.Dial("tcp", f.Addrs()[0], client)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		return nc
	}
}

func encode(r kmsg.Request, version int16, id int32) []byte {
	r.SetVersion(version)
	b := kmsg.NewRequestFormatter(kmsg.FormatterClientID(work.ClientID)).AppendRequest(nil, r, id)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func read(t *testing.T, from io.Reader) []byte {
	t.Helper()
	b := make([]byte, 4)
	_, err := io.ReadFull(from, b)
	if err == nil {
		b = append(b, make([]byte, binary.BigEndian.Uint32(b))...)
		_, err = io.ReadFull(from, b[4:])
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAnswersAreTheResponders(t *testing.T) {
	f, dial := start(t)
	plain, err := responder.Start(responder.Config{FetchBytes: fetchBytes, Topic: work.Topic, Advertise: f.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	direct, err := net.Dial("tcp", plain.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer direct.Close()
	var stream []byte
	for id := int32(1); id <= 3; id++ { // asked, then known
		stream = append(stream, encode(kmsg.NewPtrApiVersionsRequest(), 3, 100*id)...)
		stream = append(stream, encode(work.Heartbeat(), work.HeartbeatVersion, 100*id+1)...)
		stream = append(stream, encode(work.Fetch(), work.FetchVersion, 100*id+2)...)
		stream = append(stream, encode(kmsg.NewPtrMetadataRequest(), 9, 100*id+3)...)
	}
	if _, err := direct.Write(stream); err != nil {
		t.Fatal(err)
	}
	var want [][]byte
	for range 12 {
		want = append(want, read(t, direct))
	}
	for name, piece := range map[string]int{"whole": len(stream), "every byte": 1, "by 7": 7} {
		nc := dial()
		go func() {
			for b := stream; len(b) > 0; {
				n := min(piece, len(b))
				if _, err := nc.Write(b[:n]); err != nil {
					return // the reader reports it
				}
				b = b[n:]
			}
		}()
		for i, w := range want {
			if got := read(t, nc); !bytes.Equal(got, w) {
				t.Fatalf("%s: answer %d has %d bytes beginning with % x, want %d and % x", name, i, len(got), got[:12], len(w), w[:12])
			}
		}
	}
	if err := f.Failed(); err != nil {
		t.Error(err)
	}
}

func TestBadRequestsEndTheConnection(t *testing.T) {
	for name, tc := range map[string]struct {
		b    []byte
		want string
	}{
		"too long":    {[]byte{0, 1, 0, 0}, "65536 bytes"},
		"negative":    {[]byte{0xff, 0xff, 0xff, 0xff}, "4294967295 bytes"},
		"too short":   {[]byte{0, 0, 0, 4, 0, 0, 0, 0}, "shorter"},
		"unknown key": {[]byte{0, 0, 0, 8, 0x7f, 0, 0, 0, 0, 0, 0, 1}, "key 32512, version 0"},
	} {
		f, dial := start(t)
		nc := dial()
		if _, err := nc.Write(tc.b); err != nil {
			t.Fatal(err)
		}
		if n, err := nc.Read(make([]byte, 1)); err == nil {
			t.Errorf("%s: read %d bytes, want the end", name, n)
		}
		if err := f.Failed(); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %q in it", name, err, tc.want)
		}
	}
}

func TestPlaintextIsCounted(t *testing.T) {
	f, _ := start(t)
	nc, err := net.Dial("tcp", f.Addrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if _, err := nc.Write(work.All[0].Frame()); err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, nc) // until the end
	if err := f.Failed(); err == nil || !strings.Contains(err.Error(), "handshake") {
		t.Errorf("%v, want a handshake that failed", err)
	}
}

func TestCloseCutsConnections(t *testing.T) {
	f, dial := start(t)
	nc := dial()
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("the connection is alive after Close")
	}
	if err := f.Failed(); err != nil {
		t.Error(err)
	}
}
