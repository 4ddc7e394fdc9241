package kio_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

func TestParseDebug(t *testing.T) {
	for _, tt := range []struct {
		text string
		want int
		ok   bool
	}{
		{"", 0, true},
		{"  ", 0, true},
		{"0", 0, true},
		{"1", 1, true},
		{"2", 2, true},
		{"12", 12, true},
		{" 1 ", 1, true},
		{"IO:1", 1, true},
		{" IO : 2 ", 2, true},
		{"IO:1,2", 1, true},
		{"2,IO:1", 1, true},
		{"1,IO:2", 2, true},
		{"IO:2,1", 2, true},
		{" 2 , IO:1 ", 1, true},
		{"2, IO:0", 0, true},
		{"IO:0,2", 0, true},
		{"Client:2", 0, true},
		{"Client:2,1", 1, true},
		{"1,Client:2", 1, true},
		{"Client:2,IO:1", 1, true},
		{"IO:1,Client:2,0", 1, true},
		{"Client:0,2,Consumer:1", 2, true},
		{"io:2", 0, true},
		{"Io:2,1", 1, true},
		{"1,2", 2, true},
		{"IO:1,IO:2", 2, true},

		{"x", 0, false},
		{"-1", 0, false},
		{"+1", 0, false},
		{"1.5", 0, false},
		{"1 2", 0, false},
		{"IO", 0, false},
		{"IO:", 0, false},
		{"IO:x", 0, false},
		{"IO:-1", 0, false},
		{":1", 0, false},
		{" : 1", 0, false},
		{"1,", 0, false},
		{",1", 0, false},
		{"1,,2", 0, false},
		{",", 0, false},
		{"IO:1:2", 0, false},
		{"Client:x,1", 0, false},
		{"99999999999", 0, false},
	} {
		got, err := kio.ParseDebug(tt.text)
		if got.Level != tt.want || (err == nil) != tt.ok {
			t.Errorf("ParseDebug(%q): level %d, error %v; want level %d, ok %t", tt.text, got.Level, err, tt.want, tt.ok)
		}
		if err != nil {
			wantCode(t, err, kio.CodeInvalidArgument)
		}
	}
}

// records collects what a logger is given.
type records struct {
	mu   sync.Mutex
	list []slog.Record
}

func (r *records) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }
func (r *records) WithAttrs([]slog.Attr) slog.Handler           { return r }
func (r *records) WithGroup(string) slog.Handler                { return r }
func (r *records) Handle(_ context.Context, record slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, record.Clone())
	return nil
}

// messages are the records' messages, in order.
func (r *records) messages() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []string
	for _, record := range r.list {
		all = append(all, record.Message)
	}
	return all
}

// attrs are the attributes of the records with a message.
func (r *records) attrs(message string) []map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []map[string]string
	for _, record := range r.list {
		if record.Message != message {
			continue
		}
		m := make(map[string]string)
		record.Attrs(func(a slog.Attr) bool {
			m[a.Key] = a.Value.String()
			return true
		})
		all = append(all, m)
	}
	return all
}

// onStderr gives what f has written to standard error.
func onStderr(t *testing.T, f func()) string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	old := os.Stderr
	os.Stderr = file
	defer func() { os.Stderr = old }()
	f()
	b, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestDumpOnStandardError(t *testing.T) {
	cfg := config(t)
	cfg.Debug = &kio.Debug{Level: 2}
	b := hostile.Listen(t, hostile.Echo)
	out := onStderr(t, func() {
		c, err := kio.Dial(t.Context(), b.Addr(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Send([]byte("\x00\x00\x00\x12\x00\x12\x00\x00 ApiVersions\xff\x00"), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Receive(4, 0); err != nil {
			t.Fatal(err)
		}
		_, _ = c.Receive(0, 0)
		_ = c.Close()
	})
	out = strings.ReplaceAll(out, b.Addr(), "HOST:PORT")
	out = regexp.MustCompile(`local=\S+`).ReplaceAllString(out, "local=LOCAL")
	out = regexp.MustCompile(`elapsed=\S+`).ReplaceAllString(out, "elapsed=TIME")
	out = regexp.MustCompile(`(?m)^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z `).ReplaceAllString(out, "WHEN ")
	want := `WHEN kio: dialing addr=HOST:PORT timeout=10s
WHEN kio: connecting addr=HOST:PORT network=tcp to=HOST:PORT
WHEN kio: connected addr=HOST:PORT local=LOCAL remote=HOST:PORT elapsed=TIME
WHEN kio: sent addr=HOST:PORT bytes=22
00000012001200002041706956657273696f6e73ff00
00000000  00 00 00 12 00 12 00 00  20 41 70 69 56 65 72 73  |........ ApiVers|
00000010  69 6f 6e 73 ff 00                                 |ions..|
WHEN kio: received addr=HOST:PORT bytes=4
00000012
00000000  00 00 00 12                                       |....|
WHEN kio: failed error="kio: receive HOST:PORT: invalid argument (-1000): length is 0, want at least 1"
WHEN kio: close addr=HOST:PORT
`
	if cfg.Engine.Driver() != kio.DriverGnet { // another driver connects by itself, and does not tell the standard library
		want = strings.Replace(want, "WHEN kio: connecting addr=HOST:PORT network=tcp to=HOST:PORT\n", "", 1)
		out = strings.Replace(out, "WHEN kio: connecting addr=HOST:PORT network=tcp to=HOST:PORT\n", "", 1)
	}
	if out != want {
		t.Errorf("debug output is\n%s\nwant\n%s", out, want)
	}
}

func TestDumpToTheLogger(t *testing.T) {
	cfg := config(t)
	log := &records{}
	cfg.Logger = slog.New(log)
	cfg.Debug = &kio.Debug{Level: 2}
	cfg.MaxRequestBytes = 1 << 20
	c := dialScript(t, cfg, hostile.Echo)
	message := bytes.Repeat([]byte("0123456789abcdef"), 5000)
	var sending sync.WaitGroup
	sending.Go(func() {
		if _, err := c.Send(message, 0); err != nil {
			t.Error(err)
		}
	})
	if _, err := c.Receive(len(message), 0); err != nil {
		t.Fatal(err)
	}
	sending.Wait()
	const shown = 64 << 10
	for _, what := range []string{"sent", "received"} {
		got := log.attrs(what)
		if len(got) != 1 {
			t.Fatalf("%d records %q, want 1", len(got), what)
		}
		want := map[string]string{
			"addr":  c.Addr(),
			"bytes": "80000",
			"hex":   hex.EncodeToString(message[:shown]),
			"dump":  hex.Dump(message[:shown]) + "[14464 bytes left out]\n",
		}
		for key, value := range want {
			if got[0][key] != value {
				t.Errorf("%s: %s is %.200q…, want %.200q…", what, key, got[0][key], value)
			}
		}
	}
}

func TestLevel1TellsWhatHappens(t *testing.T) {
	cfg := config(t)
	log := &records{}
	cfg.Logger = slog.New(log)
	cfg.Debug = &kio.Debug{Level: 1}
	cfg.Resolver = startNameServer(t, zone{"name.test": {"127.0.0.1"}}, nil).resolver()
	b := hostile.Listen(t, on(ends("hi")))
	_, port, _ := strings.Cut(b.Addr(), ":")
	c := mustDial(t, "name.test:"+port, cfg)
	knock(t, c)
	if _, err := c.Receive(2, 0); err != nil {
		t.Fatal(err)
	}
	_, _ = c.Read(make([]byte, 1))
	_, _ = c.Receive(1, 0)
	_ = c.Close()
	_, _ = kio.Dial(t.Context(), "absent.test", cfg)
	_, _ = kio.Dial(t.Context(), "host:0", cfg)
	got := strings.Join(log.messages(), ", ")
	got = strings.ReplaceAll(got, ", connecting", "") // as the driver does
	want := "dialing, resolving, resolved, connected, peer's end, failed, close, dialing, resolving, not resolved, failed, failed"
	if got != want {
		t.Errorf("level 1 says %s; want %s", got, want)
	}
	if to := log.attrs("resolved")[0]["to"]; to != "127.0.0.1" {
		t.Errorf("resolved to %q, want 127.0.0.1", to)
	}
}

func TestDebugFromTheEnvironment(t *testing.T) {
	for _, tt := range []struct {
		text  string
		debug *kio.Debug
		want  string // messages
	}{
		{"", nil, ""},
		{"0", nil, ""},
		{"1", nil, "dialing, connected, close"},
		{"IO:2", nil, "dialing, connected, sent, close"},
		{"2, Client:1", nil, "dialing, connected, sent, close"},
		{"Client:2", nil, ""},
		{"2", &kio.Debug{}, ""},
		{"", &kio.Debug{Level: 1}, "dialing, connected, close"},
		{"nonsense", nil, "environment variable ignored"},
		{"nonsense", nil, ""}, // it was said once
		{"other nonsense", nil, "environment variable ignored"},
		{"nonsense", &kio.Debug{Level: 1}, "dialing, connected, close"},
	} {
		t.Run(tt.text, func(t *testing.T) {
			cfg := config(t)
			t.Setenv(kio.DebugVariable, tt.text)
			log := &records{}
			cfg.Debug, cfg.Logger = tt.debug, slog.New(log)
			c, err := kio.Dial(t.Context(), hostile.Listen(t, hostile.Stall).Addr(), cfg)
			if err != nil {
				t.Fatal(err) // whatever the variable says
			}
			knock(t, c)
			_ = c.Close()
			if got := strings.ReplaceAll(strings.Join(log.messages(), ", "), ", connecting", ""); got != tt.want {
				t.Errorf("%s=%q, Config.Debug %v: the log has %q, want %q", kio.DebugVariable, tt.text, tt.debug, got, tt.want)
			}
		})
	}
}

// request is a header of version 1, of client "me", and a body.
func request(key, version int16, body string) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(key))
	b = binary.BigEndian.AppendUint16(b, uint16(version))
	b = binary.BigEndian.AppendUint32(b, 7)
	b = binary.BigEndian.AppendUint16(b, 2)
	return append(append(b, "me"...), body...)
}

// framed puts the size in front.
func framed(b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(b))), b...)
}

func TestSecretsAreMasked(t *testing.T) {
	const secret = "hunter2"
	plainToken := []byte("\x00alice\x00" + secret)
	t.Run("Conn", func(t *testing.T) {
		cfg := config(t)
		log := &records{}
		cfg.Logger, cfg.Debug = slog.New(log), &kio.Debug{Level: 2}
		c := dialScript(t, cfg, hostile.Echo)
		for i, tt := range []struct {
			message []byte
			masked  bool
		}{
			{framed(request(18, 3, "open")), false},
			{framed(request(36, 1, secret)), true},
			{framed(request(3, 9, "open")), false},
			{request(36, 1, secret), true}, // the size went before it
			{request(3, 9, "open"), false},
			{framed(request(17, 0, "PLAIN")), true},
			{framed(plainToken), true}, // no request at all, only recognised by what came before
			{framed([]byte("n,,n=alice,r=" + secret)), true},
			{framed(request(3, 9, "open")), false},
		} {
			if _, err := c.Send(tt.message, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Receive(len(tt.message), 0); err != nil {
				t.Fatal(err)
			}
			for _, what := range []string{"sent", "received"} {
				checkMasked(t, fmt.Sprintf("%s %d", what, i), log.attrs(what)[i], len(tt.message), tt.masked)
			}
		}
	})
	t.Run("Broker", func(t *testing.T) {
		cfg := config(t)
		log := &records{}
		cfg.Logger, cfg.Debug, cfg.OpenRaw = slog.New(log), &kio.Debug{Level: 2}, true
		b, err := kio.DialBroker(t.Context(), hostile.Listen(t, hostile.Answer(nil)).Addr(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = b.Close() })
		i := 0
		for _, tt := range []struct {
			key    int16
			masked bool
		}{{3, false}, {17, true}, {36, true}, {18, false}} {
			r := request(tt.key, 1, secret)
			if _, err := b.RoundTrip(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			if err := b.Submit(r, time.Time{}, func(_ []byte, err error) { done <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			for range 2 {
				checkMasked(t, fmt.Sprintf("sent, key %d", tt.key), log.attrs("sent")[i], len(r), tt.masked)
				checkMasked(t, fmt.Sprintf("received, key %d", tt.key), log.attrs("received")[i], len(r)-4, tt.masked)
				i++
			}
		}
	})
}

func checkMasked(t *testing.T, name string, got map[string]string, size int, masked bool) {
	t.Helper()
	_, hasHex := got["hex"]
	mask := fmt.Sprintf("[masked %d bytes]\n", size)
	if hasHex == masked || (got["dump"] == mask) != masked {
		t.Errorf("%s: hex %t, dump %q; want it masked: %t", name, hasHex, got["dump"], masked)
	}
}

func TestDebugOutputOfManyGoroutines(t *testing.T) {
	cfg := config(t)
	cfg.Debug = &kio.Debug{Level: 2}
	b := hostile.Listen(t, hostile.Echo)
	out := onStderr(t, func() {
		var all sync.WaitGroup
		for range 4 {
			c := mustDial(t, b.Addr(), cfg)
			all.Go(func() {
				for range 50 {
					_, _ = c.Send([]byte("0123456789abcdefXYZ"), 0)
					_, _ = c.Receive(19, 0)
				}
			})
		}
		all.Wait()
	})
	block := regexp.MustCompile(`(?m)^\S+ kio: (sent|received) addr=\S+ bytes=19\n3031[0-9a-f]*\n00000000 .*\n00000010 .*\n`)
	if n := len(block.FindAllString(out, -1)); n != 400 {
		t.Errorf("%d whole entries, want 400", n)
	}
}
