package hostile_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/internal/leak"
)

// patience bounds every read and write of these tests: a broker that does less
// than it should fails them instead of hanging.
const patience = 10 * time.Second

// soon is how long a test watches that nothing comes.
const soon = 30 * time.Millisecond

func dial(t *testing.T, b *hostile.Broker) *net.TCPConn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", b.Addr(), patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn)
}

// request is an ApiVersions-like request with the payload after its
// correlation id, size included.
func request(id int32, payload string) []byte {
	r := binary.BigEndian.AppendUint32(nil, uint32(8+len(payload)))
	r = append(r, 0, 18, 0, 0)
	r = binary.BigEndian.AppendUint32(r, uint32(id))
	return append(r, payload...)
}

// answer is the frame that the request above deserves when the body mirrors it.
func answer(id int32, payload string) []byte {
	a := binary.BigEndian.AppendUint32(nil, uint32(4+len(payload)))
	a = binary.BigEndian.AppendUint32(a, uint32(id))
	return append(a, payload...)
}

func send(t *testing.T, conn net.Conn, b ...[]byte) {
	t.Helper()
	if _, err := conn.Write(bytes.Join(b, nil)); err != nil {
		t.Fatal(err)
	}
}

func want(t *testing.T, conn net.Conn, b ...[]byte) {
	t.Helper()
	w := bytes.Join(b, nil)
	got := make([]byte, len(w))
	n, err := io.ReadFull(conn, got)
	if err != nil || !bytes.Equal(got, w) {
		t.Fatalf("read %q, %v; want %q", got[:n], err, w)
	}
}

func wantEOF(t *testing.T, conn net.Conn) {
	t.Helper()
	if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
		t.Fatalf("read %d bytes, %v; want EOF", n, err)
	}
}

// wantQuiet checks that the connection is open and that nothing comes.
func wantQuiet(t *testing.T, conn net.Conn) {
	t.Helper()
	_ = conn.SetReadDeadline(time.Now().Add(soon))
	n, err := conn.Read(make([]byte, 1))
	if n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("read %d bytes, %v; want a deadline", n, err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(patience))
}

func TestScripts(t *testing.T) {
	upper := func(r []byte) []byte { return bytes.ToUpper(r[8:]) }
	for _, tt := range []struct {
		name   string
		script hostile.Script
		client func(t *testing.T, conn *net.TCPConn)
	}{
		{"Echo sends raw bytes back", hostile.Echo, func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, []byte("no frame"))
			want(t, conn, []byte("no frame"))
		}},
		{"Answer mirrors each request", hostile.Answer(nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, "one"), request(-2, ""))
			want(t, conn, answer(1, "one"), answer(-2, ""))
		}},
		{"Answer calls the body function", hostile.Answer(upper), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(7, "loud"))
			want(t, conn, answer(7, "LOUD"))
		}},
		{"Answer stops at a request of 7 bytes", hostile.Answer(nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, []byte{0, 0, 0, 7, 0, 18, 0, 0, 0, 0, 0}, request(1, ""))
			wantQuiet(t, conn)
		}},
		{"AnswerN answers n and then none", hostile.AnswerN(2, nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, "a"), request(2, "b"), request(3, "c"))
			want(t, conn, answer(1, "a"), answer(2, "b"))
			wantQuiet(t, conn)
		}},
		{"AnswerAfter delays side by side", hostile.AnswerAfter(100*time.Millisecond, nil), func(t *testing.T, conn *net.TCPConn) {
			const inFlight = 50 // one after another they would take 5 s
			start := time.Now()
			for i := range int32(inFlight) {
				send(t, conn, request(i, "x"))
			}
			want(t, conn, answer(0, "x"))
			if took := time.Since(start); took < 100*time.Millisecond {
				t.Errorf("first answer after %v; want at least 100ms", took)
			}
			for i := range int32(inFlight - 1) {
				want(t, conn, answer(i+1, "x"))
			}
			if took := time.Since(start); took > 4*time.Second {
				t.Errorf("%d answers took %v; want them delayed side by side", inFlight, took)
			}
		}},
		{"Stall reads and never answers", hostile.Stall, func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, bytes.Repeat(request(1, "x"), 1<<20)) // more than the kernels' buffers hold
			wantQuiet(t, conn)
		}},
		{"Silence fills the client's send buffer", hostile.Silence, func(t *testing.T, conn *net.TCPConn) {
			_ = conn.SetWriteBuffer(4096)
			_ = conn.SetWriteDeadline(time.Now().Add(10 * soon))
			n, err := conn.Write(make([]byte, 64<<20))
			if !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("wrote %d bytes, %v; want a deadline", n, err)
			}
		}},
		{"CutFrame ends inside the frame", hostile.CutFrame(2, nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, "body"))
			want(t, conn, answer(1, "body")[:10])
			wantEOF(t, conn)
		}},
		{"CutFrame of more than the frame sends FIN", hostile.CutFrame(1000, nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, "body"))
			wantEOF(t, conn)
		}},
		{"CutFrameOpen leaves the client waiting", hostile.CutFrameOpen(2, nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, "body"))
			want(t, conn, answer(1, "body")[:10])
			wantQuiet(t, conn)
		}},
		{"Drip sends byte by byte", hostile.Drip(5*time.Millisecond, nil), func(t *testing.T, conn *net.TCPConn) {
			start := time.Now()
			send(t, conn, request(1, "body"))
			want(t, conn, answer(1, "body"))
			if took := time.Since(start); took < 11*5*time.Millisecond {
				t.Errorf("12 bytes took %v; want at least 55ms", took)
			}
		}},
		{"Reset sends RST after n requests", hostile.Reset(2), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, ""))
			wantQuiet(t, conn)
			send(t, conn, request(2, ""))
			if _, err := conn.Read(make([]byte, 1)); !isReset(err) {
				t.Errorf("read: %v; want a reset", err)
			}
		}},
		{"HalfClose sends FIN and reads on", hostile.HalfClose(1), func(t *testing.T, conn *net.TCPConn) {
			wantQuiet(t, conn)
			send(t, conn, request(1, ""))
			wantEOF(t, conn)
			send(t, conn, bytes.Repeat(request(1, "x"), 1<<20))
		}},
		{"Oversize sends a size alone", hostile.Oversize(0x7fffffff), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, ""))
			want(t, conn, []byte{0x7f, 0xff, 0xff, 0xff})
			wantQuiet(t, conn)
		}},
		{"NegativeSize sends -1", hostile.NegativeSize, func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, ""))
			want(t, conn, []byte{0xff, 0xff, 0xff, 0xff})
			wantQuiet(t, conn)
		}},
		{"WrongCorrelation answers another id", hostile.WrongCorrelation(nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(5, "x"))
			want(t, conn, answer(1005, "x"))
		}},
		{"RepeatCorrelation answers twice", hostile.RepeatCorrelation(nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(5, "x"), request(6, "y"))
			want(t, conn, answer(5, "x"), answer(5, "x"), answer(6, "y"), answer(6, "y"))
		}},
		{"Unsolicited speaks first", hostile.Unsolicited([]byte("hi")), func(t *testing.T, conn *net.TCPConn) {
			want(t, conn, answer(hostile.UnsolicitedID, "hi"))
			wantQuiet(t, conn)
		}},
		{"Banner speaks first", hostile.Banner([]byte(hostile.SSH)), func(t *testing.T, conn *net.TCPConn) {
			want(t, conn, []byte(hostile.SSH))
		}},
		{"Flood goes on and on", hostile.Flood, func(t *testing.T, conn *net.TCPConn) {
			frame := answer(hostile.UnsolicitedID, strings.Repeat("\x00", 64))
			want(t, conn, bytes.Repeat(frame, 100_000))
		}},
		{"Reorder swaps pairs", hostile.Reorder(nil), func(t *testing.T, conn *net.TCPConn) {
			send(t, conn, request(1, "a"), request(2, "b"), request(3, "c"))
			want(t, conn, answer(2, "b"), answer(1, "a"))
			wantQuiet(t, conn)
			send(t, conn, request(4, "d"))
			want(t, conn, answer(4, "d"), answer(3, "c"))
		}},
		{"CloseOnAccept closes", hostile.CloseOnAccept, func(t *testing.T, conn *net.TCPConn) {
			wantEOF(t, conn)
		}},
		{"Func gets the connection", hostile.Func(func(conn net.Conn) {
			_, _ = io.WriteString(conn, "mine")
			_ = conn.Close()
		}), func(t *testing.T, conn *net.TCPConn) {
			want(t, conn, []byte("mine"))
			wantEOF(t, conn)
		}},
		{
			"Seq goes on where the step before stopped reading",
			hostile.Seq(hostile.AnswerN(1, nil), hostile.Swallow(1), hostile.Banner([]byte(hostile.HTTP)), hostile.Echo),
			func(t *testing.T, conn *net.TCPConn) {
				send(t, conn, request(1, "a"), request(2, "b"), []byte("tail"))
				want(t, conn, answer(1, "a"), []byte(hostile.HTTP), []byte("tail"))
			},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			leak.Check(t)
			tt.client(t, dial(t, hostile.Listen(t, tt.script)))
		})
	}
}

// isReset knows the reset of the platforms; on Windows it has another number.
func isReset(err error) bool {
	const wsaeconnreset = syscall.Errno(10054)
	return errors.Is(err, syscall.ECONNRESET) || runtime.GOOS == "windows" && errors.Is(err, wsaeconnreset)
}

func TestEveryCutLeavesThatManyBytes(t *testing.T) {
	leak.Check(t)
	whole := answer(1, "body")
	scripts := make([]hostile.Script, 0, len(whole)+1)
	for n := range len(whole) + 1 {
		scripts = append(scripts, hostile.CutFrame(n, nil))
	}
	b := hostile.Listen(t, scripts...)
	for n := range len(whole) + 1 {
		conn := dial(t, b)
		send(t, conn, request(1, "body"))
		want(t, conn, whole[:len(whole)-n])
		wantEOF(t, conn)
	}
}

func TestConnectionsTakeTheScriptsInOrder(t *testing.T) {
	leak.Check(t)
	b := hostile.Listen(t, hostile.Banner([]byte("first")), hostile.Banner([]byte("other")))
	for i, w := range []string{"first", "other", "other"} {
		want(t, dial(t, b), []byte(w))
		if got := b.Accepted(); got != i+1 {
			t.Errorf("Accepted() = %d; want %d", got, i+1)
		}
	}
	if got := len(b.Conns()); got != 3 {
		t.Errorf("%d connections held; want 3", got)
	}
}

func TestConnsForgetsClosedConnections(t *testing.T) {
	leak.Check(t)
	b := hostile.Listen(t, hostile.Answer(nil))
	conn := dial(t, b)
	send(t, conn, request(1, "x"))
	want(t, conn, answer(1, "x"))
	if got := b.Requests(); got != 1 {
		t.Errorf("Requests() = %d; want 1", got)
	}
	_ = b.Conns()[0].Close()
	wantEOF(t, conn)
	deadline := time.Now().Add(patience)
	for len(b.Conns()) != 0 {
		if time.Now().After(deadline) {
			t.Fatal("a closed connection is still held")
		}
		runtime.Gosched()
	}
}

func TestBrokerComesBackAtItsAddress(t *testing.T) {
	leak.Check(t)
	b := hostile.Listen(t, hostile.Answer(nil))
	conn := dial(t, b)
	b.Close()
	b.Close()
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("the connection outlives its broker")
	}
	if conn, err := net.Dial("tcp", b.Addr()); err == nil {
		_ = conn.Close()
		t.Error("a closed broker still accepts")
	}
	again := hostile.ListenAt(t, b.Addr(), hostile.Banner([]byte("back")))
	want(t, dial(t, again), []byte("back"))
}

func TestCloseEndsEveryScript(t *testing.T) {
	for i, script := range []hostile.Script{
		hostile.Echo, hostile.Answer(nil), hostile.AnswerAfter(time.Hour, nil), hostile.Stall, hostile.Silence,
		hostile.Drip(time.Hour, nil), hostile.Flood, hostile.Reorder(nil), hostile.HalfClose(0),
	} {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			leak.Check(t)
			b := hostile.Listen(t, script)
			send(t, dial(t, b), request(1, "x"), request(2, "y"))
			start := time.Now()
			b.Close()
			if took := time.Since(start); took > patience/2 {
				t.Errorf("Close took %v", took)
			}
		})
	}
}

func TestRefusedRefusesUntilTheEndOfTheTest(t *testing.T) {
	leak.Check(t)
	addr := hostile.Refused(t)
	for range 3 {
		if conn, err := net.DialTimeout("tcp", addr, patience); err == nil {
			_ = conn.Close()
			t.Fatal("connected, want it refused")
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("%v, want it refused", err)
		}
	}
	if ln, err := net.Listen("tcp", addr); err == nil {
		_ = ln.Close()
		t.Error("somebody else can listen there")
	}
}
