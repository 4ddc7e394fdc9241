package command_test

import (
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/hostile"
	"kafkaio/stress/internal/command"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/report"
)

func TestEmbedded(t *testing.T) {
	check(t)
	r := start("--connections", "30", "--duration", "1s", "--in-flight", "2")
	r.expect(t, command.ExitOK,
		[]string{"30 connections to 3 brokers", "\nall ", "\napiversions ", "\nmetadata ", "\nproduce ", "\nfetch ", "unanswered 0: holds"},
		[]string{"3 brokers in this process", "30 connections, 2 in flight each, apiversions=1"})
	if strings.ContainsAny(r.err.String(), "\r\x1b") {
		t.Error("the live line was redrawn in a file, want plain lines")
	}
}

func TestJSON(t *testing.T) {
	check(t)
	fake := startFake(t)
	r := start("--brokers", strings.Join(fake.ListenAddrs(), ","), "--connections", "7", "--duration", "200ms", "--json",
		"--workload", "produce=3,fetch=1", "--seed", "9", "--topic", "mine", "--live", "never")
	r.expect(t, command.ExitOK, nil, []string{`created the topic "mine" with 12 partitions`})
	var d report.Document
	if err := json.Unmarshal([]byte(r.out.String()), &d); err != nil {
		t.Fatalf("%v in\n%s", err, r.out)
	}
	if d.Schema != report.Schema || !d.Invariant.Holds || d.ExitCode != 0 || d.End != load.EndDuration || d.Connection.Opened != 7 {
		t.Errorf("schema %s, holds %t, exit code %d, end %s, %d connections; want a clean run of 7", d.Schema, d.Invariant.Holds, d.ExitCode, d.End, d.Connection.Opened)
	}
	if d.Total.Sent != d.Total.OK || d.Total.OK == 0 || d.Settings.Seed != 9 || d.Settings.Workload != "produce=3,fetch=1" || d.Settings.Embedded {
		t.Errorf("sent %d, ok %d, settings %+v; want all ok, and what was asked for", d.Total.Sent, d.Total.OK, d.Settings)
	}
	if len(d.Requests) != 2 || d.Requests[0].API != "produce" || d.Requests[1].API != "fetch" {
		t.Errorf("requests %+v, want produce and fetch", d.Requests)
	}
}

func TestRedraw(t *testing.T) {
	check(t)
	r := start("--connections", "3", "--duration", "1200ms", "--live", "always")
	r.expect(t, command.ExitOK, nil, []string{"\r\x1b[K", " ok/s "})
	if strings.Contains(r.err.String(), "no errors\n") {
		t.Error("the live line went on a new line, want it redrawn in place")
	}
}

func TestResponder(t *testing.T) {
	check(t)
	s := start("responder", "--listen", "127.0.0.1:0", "--fetch-bytes", "1000")
	s.out.await(t, "listening on ", "\n")
	addr := strings.TrimSpace(strings.TrimPrefix(s.out.String(), "listening on "))
	start("--brokers", addr, "--connections", "8", "--duration", "1s", "--in-flight", "4").expect(t, command.ExitOK,
		[]string{"8 connections to 1 broker,", "unanswered 0: holds"}, []string{"1 broker\n8 connections, 4 in flight each, "})
	s.interrupts <- os.Interrupt
	s.expect(t, command.ExitOK, []string{" answered, 0 dropped, ", " connections, 0 refused, 0 ended"}, nil)
}

func TestResponderEndsAfterItsDuration(t *testing.T) {
	check(t)
	start("responder", "--listen", "127.0.0.1:0", "--duration", "10ms").expect(t, command.ExitOK, []string{"0 requests"}, nil)
}

func TestABrokerIsKilled(t *testing.T) {
	check(t)
	var m mortal
	fake := startFake(t, kfake.ListenFn(m.listen), kfake.SeedTopics(12, "kafkaio-stress"))
	for p := range int32(12) {
		if err := fake.MoveTopicPartition("kafkaio-stress", p, p%3); err != nil {
			t.Fatal(err)
		}
	}
	victim := fake.ListenAddrs()[1]
	r := start("--brokers", fake.ListenAddrs()[0], "--connections", "9", "--duration", "0")
	r.err.await(t, " ok/s ")
	m.kill(t, victim)
	r.err.await(t, "3 connections died")
	r.interrupts <- os.Interrupt
	r.expect(t, command.ExitFailures,
		[]string{"9 connections to 3 brokers", "until it was interrupted", "connections to broker 1 that died: ", "unanswered 0: holds"},
		[]string{"interrupted: no more requests"})
	if strings.Contains(r.out.String(), "broker 0 that died") || strings.Contains(r.out.String(), "broker 2 that died") {
		t.Errorf("other brokers' connections died:\n%s", r.out)
	}
}

func TestAllBrokersAreKilled(t *testing.T) {
	check(t)
	var m mortal
	fake := startFake(t, kfake.ListenFn(m.listen))
	r := start("--brokers", fake.ListenAddrs()[0], "--connections", "9", "--duration", "0", "--workload", "ping")
	r.err.await(t, " ok/s ")
	for _, addr := range fake.ListenAddrs() {
		m.kill(t, addr)
	}
	r.expect(t, command.ExitFailures, []string{"until all connections had died", "unanswered 0: holds"}, nil)
}

// stall makes brokers read the requests of a load and never answer. What the load asks for before it begins has version 0.
func stall(fake *kfake.Cluster) {
	fake.ControlKey(int16(kmsg.ApiVersions), func(r kmsg.Request) (kmsg.Response, error, bool) {
		fake.KeepControl()
		return nil, nil, r.GetVersion() > 0
	})
}

func TestInterruptTwice(t *testing.T) {
	fake := startFake(t)
	stall(fake)
	r := start("--brokers", fake.ListenAddrs()[0], "--connections", "3", "--duration", "0", "--workload", "ping", "--timeout", "20s")
	r.err.await(t, " ok/s ")
	r.interrupts <- os.Interrupt
	r.err.await(t, "waiting for the last 3 answers")
	r.interrupts <- os.Interrupt
	select {
	case code := <-r.exits:
		if code != command.ExitInterrupted {
			t.Errorf("exit code %d, want %d", code, command.ExitInterrupted)
		}
	case <-time.After(10 * time.Second):
		t.Error("the second interrupt did not exit")
	}
	if r.out.String() != "" {
		t.Errorf("a report was written:\n%s", r.out)
	}
	fake.Close() // ends the load, which in a process would be gone by now
	r.wait(t)
}

func TestTimeouts(t *testing.T) {
	check(t)
	fake := startFake(t)
	stall(fake)
	start("--brokers", fake.ListenAddrs()[0], "--connections", "3", "--duration", "500ms", "--workload", "ping", "--timeout", "2s").expect(t,
		command.ExitFailures, []string{"timeout 3", "sent 3 = ok 0 + failed 3 + unanswered 0: holds"}, nil)
}

func TestInterruptBeforeAnythingWasSent(t *testing.T) {
	check(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := start("--brokers", l.Addr().String())
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.interrupts <- os.Interrupt
	r.expect(t, command.ExitInterrupted, nil, []string{"stress: interrupted before anything was sent"})
}

func TestLimits(t *testing.T) {
	check(t)
	r := start("--connections", "1000000")
	r.expect(t, command.ExitCannotStart, nil, []string{"stress: ", " are needed and this machine allows "})
	if n := strings.Count(r.err.String(), "\n"); n != 1 || r.out.String() != "" {
		t.Errorf("%d lines on standard error, and on standard output %q; want one sentence", n, r.out)
	}
}

func TestNoBrokers(t *testing.T) {
	check(t)
	addr := hostile.Refused(t)
	start("--brokers", addr).expect(t, command.ExitCannotStart, nil, []string{"stress: ", addr, "refused"})
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"--connections 0", "--connections is 0, want 1 to"},
		{"--in-flight -1", "--in-flight is -1, want 1 to"},
		{"--duration -1s", "--duration is -1s, want 0 or more"},
		{"--timeout 0s", "--timeout is 0s, want 1ms to 1h0m0s"},
		{"--record-bytes 100000000", "--record-bytes is 100000000, want 0 to 67108864"},
		{"--fetch-bytes 0", "--fetch-bytes is 0, want 1 to"},
		{"--embedded-brokers 0", "--embedded-brokers is 0, want 1 to 100"},
		{"--embedded-brokers 3 --brokers x:1", "exclude each other"},
		{"--brokers x:1,,y:2", "--brokers has an empty address"},
		{"--topic=", "--topic is empty"},
		{"--live sometimes", `--live is "sometimes", want auto, always or never`},
		{"--workload teleport", `--workload: "teleport" is neither`},
		{"--nonsense", "unknown flag: --nonsense"},
		{"extra", "unknown command"},
		{"responder --duration -1s", "--duration is -1s"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			start(strings.Fields(tt.args)...).expect(t, command.ExitCannotStart, nil, []string{"stress: ", tt.want, "Try stress --help."})
		})
	}
}

func TestResponderRefuses(t *testing.T) {
	check(t)
	start("responder", "--listen", "127.0.0.1:0", "--fetch-bytes", "5").expect(t, command.ExitCannotStart, nil, []string{"FetchBytes is 5"})
}

func TestHelp(t *testing.T) {
	start("--help").expect(t, command.ExitOK, []string{"--connections", "(default 1000)", "Exit codes:", "130", "Presets", "responder"}, nil)
	start("responder", "--help").expect(t, command.ExitOK, []string{"--listen", "--delay", "--fetch-bytes", "--drop", "--loops", "--duration"}, nil)
}

// broken is a pipe that nobody reads.
type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errBroken }

var errBroken = errors.New("broken pipe")

func TestAReportThatCannotBeWritten(t *testing.T) {
	check(t)
	var stderr strings.Builder
	code := command.Main(command.Env{Args: []string{"--connections", "3", "--duration", "10ms"}, Stdout: broken{}, Stderr: &stderr})
	if code != command.ExitUnreported || !strings.Contains(stderr.String(), "cannot write the report: broken pipe") {
		t.Errorf("exit code %d, want %d, and\n%s", code, command.ExitUnreported, &stderr)
	}
	if code := command.Main(command.Env{Args: []string{"responder", "--listen", "127.0.0.1:0"}, Stdout: broken{}, Stderr: io.Discard}); code != command.ExitUnreported {
		t.Errorf("responder: exit code %d, want %d", code, command.ExitUnreported)
	}
}
