package kio_test

import (
	"bytes"
	"log/slog"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// logText is a log of all levels.
type logText struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logText) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

var levelAndMessage = regexp.MustCompile(`level=(\S+) msg="kafka (?:connection )?([^"]*)"`)

// lines are level and message of each record, in order.
func (l *logText) lines() string {
	var all []string
	for _, m := range levelAndMessage.FindAllStringSubmatch(l.String(), -1) {
		all = append(all, m[1]+" "+m[2])
	}
	return strings.Join(all, ", ")
}

// A logger without debug output is told of the life of connections, at the level that each event deserves.
func TestTheLogTellsTheLifeOfAConnection(t *testing.T) {
	for _, tt := range []struct {
		name   string
		script hostile.Script // nil: strictBroker
		do     func(t *testing.T, b *kio.Broker)
		want   string
		cause  string
	}{
		{"closed by this side", nil, func(_ *testing.T, b *kio.Broker) { _ = b.Close() }, "DEBUG opened, DEBUG ended", "connection is closed"},
		{"closed by this side with a request in flight", hostile.Stall, func(t *testing.T, b *kio.Broker) {
			ended := make(chan error, 1)
			if err := b.Submit(request(3, 1, ""), time.Time{}, func(_ []byte, err error) { ended <- err }); err != nil {
				t.Error(err)
			}
			_ = b.Close()
			if err := <-ended; err == nil {
				t.Error("answered by a broker that does not answer")
			}
		}, "DEBUG opened, DEBUG ended", "failed=1"},
		{"the broker's end of an idle connection", hostile.HalfClose(0), func(*testing.T, *kio.Broker) {}, "DEBUG opened, INFO ended", "cause=EOF"},
		{"the broker's end of a request", hostile.HalfClose(1), func(_ *testing.T, b *kio.Broker) {
			_, _ = b.RoundTrip(t.Context(), request(3, 1, ""))
		}, "DEBUG opened, WARN ended", "failed=1"},
		{"given up", hostile.Stall, func(_ *testing.T, b *kio.Broker) {
			for range 2 {
				_ = b.Submit(request(3, 1, ""), time.Now().Add(short), func([]byte, error) {})
			}
		}, "DEBUG opened, WARN ended", "stopped answering"},
		{"throttled", nil, func(t *testing.T, b *kio.Broker) {
			heartbeat(t, b, 4)
			_ = b.Close()
		}, "DEBUG opened, INFO throttled, DEBUG ended", "waits=100ms"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				log := &logText{}
				cfg.Logger, cfg.MaxAbandoned = log.logger(), 1
				s := &strictBroker{throttle: 100 * time.Millisecond}
				script := tt.script
				if script == nil {
					script = s.script
				} else {
					cfg.OpenRaw = true
				}
				b := mustDialBroker(t, hostile.Listen(t, script).Addr(), cfg)
				tt.do(t, b)
				eventually(t, "the end in the log", func() bool { return strings.Contains(log.lines(), "ended") })
				if got := log.lines(); got != tt.want || !strings.Contains(log.String(), tt.cause) || !strings.Contains(log.String(), b.Addr()) {
					t.Errorf("the log has %s; want %s, and %q in it:\n%s", got, tt.want, tt.cause, log)
				}
			})
		})
	}
}

func TestTheLogTellsOfAttempts(t *testing.T) {
	cfg := config(t)
	log := &logText{}
	cfg.Logger, cfg.AllowPlaintextSASL = log.logger(), true
	s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), lifetime: 500 * time.Millisecond}
	addr := s.listen(t)
	cfg.SASL = []sasl.Mechanism{scram.Auth{User: "alice", Pass: "alice-secret"}.AsSha512Mechanism(), alice}
	b := mustDialBroker(t, addr, cfg)
	eventually(t, "a renewal", func() bool { return strings.Contains(log.lines(), "re-authenticated") })
	_ = b.Close()
	eventually(t, "the end in the log", func() bool { return strings.Contains(log.lines(), "ended") })
	want := "INFO broker does not offer the SASL mechanism, DEBUG not opened, DEBUG opened, DEBUG re-authenticated"
	if got := log.lines(); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "DEBUG ended") {
		t.Errorf("the log has %s; want %s, …, DEBUG ended", got, want)
	}
	if strings.Contains(log.String(), "alice-secret") {
		t.Errorf("the log tells the password:\n%s", log)
	}
}

func TestTheLogTellsOfARefusedRenewal(t *testing.T) {
	cfg := config(t)
	log := &logText{}
	cfg.Logger, cfg.AllowPlaintextSASL, cfg.SASL = log.logger(), true, []sasl.Mechanism{alice}
	first := true
	s := &strictBroker{offered: []string{"PLAIN"}, lifetime: 300 * time.Millisecond}
	s.verify = func(_ string, token []byte) ([]byte, bool, int16, string) {
		if first {
			first = false
			return nil, true, 0, ""
		}
		return nil, false, authenticationFailed, "not " + string(token)
	}
	b := mustDialBroker(t, s.listen(t), cfg)
	<-b.Done()
	eventually(t, "the end in the log", func() bool { return strings.Contains(log.lines(), "ended") })
	if got := log.lines(); got != "DEBUG opened, WARN ended" || !strings.Contains(log.String(), "re-authentication") {
		t.Errorf("the log has %s; want DEBUG opened, WARN ended:\n%s", got, log)
	}
	if strings.Contains(log.String(), "alice-secret") {
		t.Errorf("the log tells the password:\n%s", log)
	}
}

func TestTheLogTellsTheLifeOfAConn(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		log := &logText{}
		cfg.Logger = log.logger()
		c := dialScript(t, cfg, on(ends("")))
		knock(t, c)
		eventually(t, "the end in the log", func() bool { return strings.Contains(log.lines(), "ended") })
		if got := log.lines(); got != "DEBUG opened, INFO ended" {
			t.Errorf("the log has %s; want DEBUG opened, INFO ended:\n%s", got, log)
		}
	})
}

// Debug output takes the place of the log, and needs no goroutine for the end either.
func TestDebugOutputTakesThePlaceOfTheLog(t *testing.T) {
	cfg := config(t)
	log := &records{}
	cfg.Logger, cfg.Debug = slog.New(log), &kio.Debug{Level: 1}
	b := mustDialBroker(t, (&strictBroker{}).listen(t), cfg)
	_ = b.Close()
	eventually(t, "the end", func() bool { return len(log.attrs("ended")) == 1 })
	for _, message := range log.messages() {
		if strings.HasPrefix(message, "kafka") {
			t.Errorf("the log has %q beside the debug output", log.messages())
		}
	}
	if cause := log.attrs("ended")[0]["error"]; cause != "connection is closed" {
		t.Errorf("ended with %q, want this side's Close", cause)
	}
}
