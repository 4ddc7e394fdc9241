package responder_test

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/responder"
)

// limit ends any wait of these tests that hangs.
const limit = 10 * time.Second

func start(t testing.TB, cfg responder.Config) *responder.Responder {
	t.Helper()
	r, err := responder.Start(cfg)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	t.Cleanup(func() {
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return r
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, limit)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	return c
}

func write(t testing.TB, c net.Conn, b []byte) {
	t.Helper()
	if _, err := c.Write(b); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// readFrame reads one answer without the code under test and returns its
// correlation id and what follows it.
func readFrame(t testing.TB, c io.Reader) (id int32, rest []byte) {
	t.Helper()
	var size [4]byte
	if _, err := io.ReadFull(c, size[:]); err != nil {
		t.Fatalf("read size: %v", err)
	}
	b := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(c, b); err != nil {
		t.Fatalf("read answer: %v", err)
	}
	return int32(binary.BigEndian.Uint32(b)), b[4:]
}

// expectEnd checks that the broker closes the connection without a byte more.
func expectEnd(t testing.TB, c net.Conn) {
	t.Helper()
	var b [1]byte
	if n, err := c.Read(b[:]); n != 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read: %d bytes, %v; want the connection closed", n, err)
	}
}

func encode(r kmsg.Request, version int16, id int32) []byte {
	r.SetVersion(version)
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID("test")).AppendRequest(nil, r, id)
}

func heartbeat(id int32) []byte {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.MemberID = "a-group", "member-0123456789"
	return encode(r, 4, id)
}

func produce(version int16, acks int16, size int, id int32) []byte {
	r := kmsg.NewPtrProduceRequest()
	r.Acks = acks
	r.TransactionID = kmsg.StringPtr("tx")
	p := kmsg.NewProduceRequestTopicPartition()
	p.Records = make([]byte, size)
	top := kmsg.NewProduceRequestTopic()
	top.Topic = "stress"
	top.Partitions = append(top.Partitions, p)
	r.Topics = append(r.Topics, top)
	return encode(r, version, id)
}

// decode checks an answer against kmsg.
func decode(t testing.TB, key, version int16, body []byte) kmsg.Response {
	t.Helper()
	r := kmsg.ResponseForKey(key)
	r.SetVersion(version)
	if r.IsFlexible() && key != int16(kmsg.ApiVersions) {
		if len(body) == 0 || body[0] != 0 {
			t.Fatalf("key %d v%d: header v1 without empty tags: % x", key, version, body)
		}
		body = body[1:]
	}
	if err := r.ReadFrom(body); err != nil {
		t.Fatalf("key %d v%d: %v in % x", key, version, err, body)
	}
	if got := r.AppendTo(nil); len(got) != len(body) {
		t.Fatalf("key %d v%d: %d bytes, encodes to %d", key, version, len(body), len(got))
	}
	return r
}

func TestEveryListedVersionIsAnswered(t *testing.T) {
	r := start(t, responder.Config{ThrottleMillis: 7, Topic: "top", Partitions: 3, Advertise: []string{"a:1", "b:2"}})
	c := dial(t, r.Addrs()[0])
	write(t, c, encode(kmsg.NewPtrApiVersionsRequest(), 0, 1))
	id, body := readFrame(t, c)
	if id != 1 {
		t.Fatalf("correlation id %d, want 1", id)
	}
	versions := decode(t, int16(kmsg.ApiVersions), 0, body).(*kmsg.ApiVersionsResponse)
	for _, k := range versions.ApiKeys {
		for v := k.MinVersion; v <= k.MaxVersion; v++ {
			req := kmsg.RequestForKey(k.ApiKey)
			if p, ok := req.(*kmsg.ProduceRequest); ok {
				p.Acks = -1
			}
			want := int32(k.ApiKey)<<8 | int32(v)
			write(t, c, encode(req, v, want))
			id, body := readFrame(t, c)
			if id != want {
				t.Fatalf("key %d v%d: correlation id %d, want %d", k.ApiKey, v, id, want)
			}
			resp := decode(t, k.ApiKey, v, body)
			if th, ok := resp.(kmsg.ThrottleResponse); ok && v >= 3 {
				if ms, _ := th.Throttle(); ms != 7 {
					t.Errorf("key %d v%d: throttle %d, want 7", k.ApiKey, v, ms)
				}
			}
			if m, ok := resp.(*kmsg.MetadataResponse); ok {
				if len(m.Brokers) != 2 || m.Brokers[1].NodeID != 1 || m.Brokers[1].Host != "b" || m.Brokers[1].Port != 2 {
					t.Errorf("metadata v%d: brokers %+v", v, m.Brokers)
				}
				if len(m.Topics) != 1 || *m.Topics[0].Topic != "top" || len(m.Topics[0].Partitions) != 3 {
					t.Errorf("metadata v%d: topics %+v", v, m.Topics)
				}
			}
		}
	}
}

func TestUnsupportedApiVersionsGetsV0(t *testing.T) {
	r := start(t, responder.Config{})
	c := dial(t, r.Addrs()[0])
	write(t, c, encode(kmsg.NewPtrApiVersionsRequest(), 5, 9))
	id, body := readFrame(t, c)
	got := decode(t, int16(kmsg.ApiVersions), 0, body).(*kmsg.ApiVersionsResponse)
	if id != 9 || got.ErrorCode != 35 || len(got.ApiKeys) == 0 {
		t.Fatalf("id %d, error %d, %d keys; want 9, 35, some", id, got.ErrorCode, len(got.ApiKeys))
	}
}

func TestRequestsCutAnywhere(t *testing.T) {
	r := start(t, responder.Config{})
	var stream []byte
	var want []int32
	for i := range int32(40) {
		switch i % 4 {
		case 0:
			stream = append(stream, produce(9, 1, 3000, i)...)
			want = append(want, i)
		case 1:
			stream = append(stream, produce(9, 0, 100, i)...) // no answer
		default:
			stream = append(stream, heartbeat(i)...)
			want = append(want, i)
		}
	}
	cases := map[string]func(left int) int{
		"whole":      func(left int) int { return left },
		"every byte": func(int) int { return 1 },
		"random":     func(left int) int { return 1 + rand.IntN(min(left, 100)) },
	}
	for name, cut := range cases {
		t.Run(name, func(t *testing.T) {
			c := dial(t, r.Addrs()[0])
			go func() {
				for b := stream; len(b) > 0; {
					n := min(cut(len(b)), len(b))
					if _, err := c.Write(b[:n]); err != nil {
						return // the reader reports it
					}
					b = b[n:]
				}
			}()
			for _, w := range want {
				if id, _ := readFrame(t, c); id != w {
					t.Fatalf("correlation id %d, want %d", id, w)
				}
			}
		})
	}
}

func TestProduceAcksInAllVersions(t *testing.T) {
	r := start(t, responder.Config{})
	c := dial(t, r.Addrs()[0])
	last := kmsg.NewPtrProduceRequest().MaxVersion()
	for v := int16(0); v <= last; v++ {
		write(t, c, produce(v, 0, 50, 100))
		write(t, c, produce(v, 1, 50, 101))
		if id, body := readFrame(t, c); id != 101 {
			t.Fatalf("v%d: answer to %d, want only 101", v, id)
		} else {
			decode(t, int16(kmsg.Produce), v, body)
		}
	}
	if s := r.Stats(); s.Requests != 2*uint64(last+1) || s.Answers != uint64(last+1) {
		t.Errorf("stats %+v, want %d requests, half answered", s, 2*(last+1))
	}
}

func TestBigProduceIsAnsweredAtItsEnd(t *testing.T) {
	r := start(t, responder.Config{})
	c := dial(t, r.Addrs()[0])
	b := produce(9, -1, 20<<20, 5)
	write(t, c, b[:len(b)-1])
	if err := c.SetReadDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	var one [1]byte
	if n, err := c.Read(one[:]); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("before the last byte: read %d, %v; want silence", n, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(limit)); err != nil {
		t.Fatal(err)
	}
	write(t, c, b[len(b)-1:])
	if id, _ := readFrame(t, c); id != 5 {
		t.Fatalf("correlation id %d, want 5", id)
	}
}

func TestBadRequestsEndTheConnection(t *testing.T) {
	r := start(t, responder.Config{MaxRequestBytes: 1000})
	frame := func(size uint32, rest ...byte) []byte {
		return append(binary.BigEndian.AppendUint32(nil, size), rest...)
	}
	cases := map[string]struct {
		b       []byte
		unknown bool
	}{
		"negative":         {b: frame(0xffffffff)},
		"zero":             {b: frame(0)},
		"short of header":  {b: frame(7)},
		"over the limit":   {b: frame(1001)},
		"http":             {b: []byte("GET / HTTP/1.1\r\n\r\n")},
		"unknown key":      {b: frame(8, 0x7f, 0, 0, 0, 0, 0, 0, 1), unknown: true},
		"negative key":     {b: frame(8, 0xff, 0xff, 0, 0, 0, 0, 0, 1), unknown: true},
		"unknown version":  {b: frame(8, 0, 12, 0, 99, 0, 0, 0, 1), unknown: true},
		"negative version": {b: frame(8, 0, 18, 0xff, 0xff, 0, 0, 0, 1), unknown: true},
		"produce cut":      {b: frame(10, 0, 0, 0, 9, 0, 0, 0, 1, 0, 200)},
		"produce tags":     {b: frame(15, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f)},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			before := r.Stats()
			c := dial(t, r.Addrs()[0])
			write(t, c, heartbeat(3))
			if id, _ := readFrame(t, c); id != 3 {
				t.Fatalf("correlation id %d, want 3", id)
			}
			write(t, c, tc.b)
			expectEnd(t, c)
			after := r.Stats()
			unknown, malformed := after.ClosedUnknown-before.ClosedUnknown, after.ClosedMalformed-before.ClosedMalformed
			if (unknown == 1) != tc.unknown || unknown+malformed != 1 {
				t.Errorf("counted unknown %d, malformed %d", unknown, malformed)
			}
		})
	}
}

func TestFetchCarriesAValidBatch(t *testing.T) {
	for _, size := range []int{128, 1000, 16448, 1 << 20} {
		r := start(t, responder.Config{FetchBytes: size})
		c := dial(t, r.Addrs()[0])
		req := kmsg.NewPtrFetchRequest()
		// more than a socket holds, read only afterwards
		const n = 12
		for i := range int32(n) {
			write(t, c, encode(req, 12, i))
		}
		for i := range int32(n) {
			id, body := readFrame(t, c)
			if id != i {
				t.Fatalf("size %d: correlation id %d, want %d", size, id, i)
			}
			b := decode(t, int16(kmsg.Fetch), 12, body).(*kmsg.FetchResponse).Topics[0].Partitions[0].RecordBatches
			if len(b) > size || len(b) < size-2 {
				t.Fatalf("size %d: %d bytes of records", size, len(b))
			}
			var batch kmsg.RecordBatch
			if err := batch.ReadFrom(b); err != nil {
				t.Fatal(err)
			}
			if crc := crc32.Checksum(b[21:], crc32.MakeTable(crc32.Castagnoli)); uint32(batch.CRC) != crc || int(batch.Length) != len(b)-12 {
				t.Fatalf("size %d: crc %x, want %x; length %d, want %d", size, batch.CRC, crc, batch.Length, len(b)-12)
			}
			var rec kmsg.Record
			if err := rec.ReadFrom(batch.Records); err != nil || batch.NumRecords != 1 {
				t.Fatalf("size %d: %d records, %v", size, batch.NumRecords, err)
			}
		}
	}
}

func TestDelay(t *testing.T) {
	for _, delay := range []time.Duration{20 * time.Microsecond, 200 * time.Microsecond, 5 * time.Millisecond, 40 * time.Millisecond} {
		t.Run(delay.String(), func(t *testing.T) {
			r := start(t, responder.Config{Delay: delay})
			c, other := dial(t, r.Addrs()[0]), dial(t, r.Addrs()[0])
			best := time.Hour
			for range 20 {
				begin := time.Now()
				write(t, c, append(heartbeat(1), heartbeat(2)...))
				write(t, other, heartbeat(3))
				for want, from := range []net.Conn{c, c, other} {
					if id, _ := readFrame(t, from); id != int32(want+1) {
						t.Fatalf("correlation id %d, want %d", id, want+1)
					}
				}
				took := time.Since(begin)
				if took < delay {
					t.Fatalf("answered after %v, want at least %v", took, delay)
				}
				best = min(best, took-delay)
			}
			t.Logf("late at best by %v, a round trip included", best)
			if best > 20*time.Millisecond {
				t.Errorf("late at best by %v", best)
			}
		})
	}
}

func TestDelayedAnswersOfAClosedConnection(t *testing.T) {
	r := start(t, responder.Config{Delay: 2 * time.Millisecond})
	for range 20 {
		c := dial(t, r.Addrs()[0])
		write(t, c, heartbeat(1))
		_ = c.Close()
	}
	c := dial(t, r.Addrs()[0])
	write(t, c, heartbeat(2))
	if id, _ := readFrame(t, c); id != 2 {
		t.Fatalf("correlation id %d, want 2", id)
	}
}

func TestDropLeavesEveryNthUnanswered(t *testing.T) {
	r := start(t, responder.Config{Drop: 3})
	c := dial(t, r.Addrs()[0])
	for i := range int32(9) {
		write(t, c, heartbeat(i+1))
	}
	write(t, c, heartbeat(10)) // whose answer says that the ninth has been seen
	for _, want := range []int32{1, 2, 4, 5, 7, 8, 10} {
		if id, _ := readFrame(t, c); id != want {
			t.Fatalf("correlation id %d, want %d", id, want)
		}
	}
	if s := r.Stats(); s.Requests != 10 || s.Answers != 7 || s.Dropped != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestSeveralAddressesAndLoops(t *testing.T) {
	var free []string
	var holders [2]net.Listener // both at once, or the second may be given the port of the first
	for i := range holders {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		holders[i], free = ln, append(free, ln.Addr().String())
	}
	for _, ln := range holders {
		ln.Close()
	}
	r := start(t, responder.Config{Addrs: free, Loops: 3, Delay: 50 * time.Microsecond})
	for i, addr := range append(r.Addrs(), r.Addrs()...) {
		c := dial(t, addr)
		write(t, c, encode(kmsg.NewPtrMetadataRequest(), 9, int32(i)))
		_, body := readFrame(t, c)
		m := decode(t, int16(kmsg.Metadata), 9, body).(*kmsg.MetadataResponse)
		if len(m.Brokers) != 2 {
			t.Fatalf("%d brokers, want 2", len(m.Brokers))
		}
	}
}

func TestMaxConnections(t *testing.T) {
	r := start(t, responder.Config{MaxConnections: 2})
	for range 2 {
		c := dial(t, r.Addrs()[0])
		write(t, c, heartbeat(1))
		readFrame(t, c)
	}
	expectEnd(t, dial(t, r.Addrs()[0]))
	if s := r.Stats(); s.Refused != 1 || s.Connections != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestCloseEndsConnections(t *testing.T) {
	r, err := responder.Start(responder.Config{Delay: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, r.Addrs()[0])
	write(t, c, heartbeat(1))
	readFrame(t, c)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	expectEnd(t, c)
	select {
	case <-r.Done():
	default:
		t.Error("Done is open after Close")
	}
	if err := r.Err(); err != nil {
		t.Errorf("Err after Close: %v", err)
	}
}

func TestConfigErrors(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	cases := map[string]responder.Config{
		"two free ports":   {Addrs: []string{"127.0.0.1:0", "127.0.0.2:0"}},
		"no port":          {Addrs: []string{"127.0.0.1"}},
		"port too large":   {Addrs: []string{"127.0.0.1:65536"}},
		"taken":            {Addrs: []string{taken.Addr().String()}},
		"advertise":        {Advertise: []string{"x"}},
		"loops":            {Loops: -1},
		"delay":            {Delay: -1},
		"fetch too small":  {FetchBytes: 1},
		"fetch too large":  {FetchBytes: 1 << 30},
		"drop":             {Drop: -1},
		"throttle":         {ThrottleMillis: -1},
		"partitions":       {Partitions: -1},
		"request bytes":    {MaxRequestBytes: 1},
		"connection limit": {MaxConnections: -1},
	}
	for name, cfg := range cases {
		if r, err := responder.Start(cfg); err == nil {
			_ = r.Close()
			t.Errorf("%s: no error", name)
		}
	}
}

// BenchmarkPipelined is how many 64-byte requests a second one connection can
// have answered when its writer never waits.
func BenchmarkPipelined(b *testing.B) {
	r := start(b, responder.Config{})
	c := dial(b, r.Addrs()[0])
	_ = c.SetDeadline(time.Time{})
	const batch = 256
	var out []byte
	for range batch {
		out = append(out, heartbeat(1)...)
	}
	write(b, c, heartbeat(1))
	_, body := readFrame(b, c)
	answer := len(body) + 8
	go func() {
		for sent := 0; sent < b.N; sent += batch {
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	}()
	in := make([]byte, 64<<10)
	b.ResetTimer()
	for got := 0; got < b.N*answer; {
		n, err := c.Read(in)
		if err != nil {
			b.Fatal(err)
		}
		got += n
	}
}
