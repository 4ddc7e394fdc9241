package command_test

import (
	"encoding/json"
	"net"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafkaio/stress/internal/command"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/report"
)

// asCommand is set in the environment of a test binary that is to be the command: hold starts brokers in such a process.
const asCommand = "KAFKAIO_TEST_STRESS"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) == "" {
		os.Exit(m.Run())
	}
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	os.Exit(command.Main(command.Env{
		Args: os.Args[1:], Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Interrupts: interrupts, Exit: os.Exit,
	}))
}

// besideBrokers is how many brokers beside this process there may be: only Linux is known to have more than one loopback address without being asked.
func besideBrokers(t *testing.T) string {
	t.Helper()
	t.Setenv(asCommand, "1")
	if runtime.GOOS == "linux" {
		return "20"
	}
	return "1"
}

func TestHold(t *testing.T) {
	check(t)
	n := besideBrokers(t)
	r := start("hold", "--embedded-brokers", n, "--connections", "40", "--every", "200ms", "--duration", "1s")
	r.expect(t, command.ExitOK,
		[]string{"40 connections to " + n + " broker", "\nAll open after ", "\nall open ", "\nfrom the moment due ", "p99.9", " 0 goroutines a broker", "unanswered 0: holds"},
		[]string{n + " broker", " in a process beside this one", "40 connections, each asked every 200ms"})
}

func TestHoldJSON(t *testing.T) {
	check(t)
	r := start("hold", "--embedded-brokers", besideBrokers(t), "--connections", "20", "--every", "100ms", "--duration", "500ms", "--json", "--live", "never")
	r.expect(t, command.ExitOK, nil, nil)
	var d report.HoldDocument
	if err := json.Unmarshal([]byte(r.out.String()), &d); err != nil {
		t.Fatalf("%v in\n%s", err, r.out)
	}
	if d.Schema != report.HoldSchema || !d.Invariant.Holds || d.ExitCode != 0 || d.End != load.EndDuration || d.Opened != 20 || !d.Settings.Embedded {
		t.Errorf("%+v: want a clean run of 20 connections", d)
	}
	if d.Sent != 100 || d.OK != 100 || d.Skipped != 0 || d.GoroutinesPerBroker > 0 {
		t.Errorf("sent %d, ok %d, %v goroutines a broker; want 100, all ok, and no goroutine", d.Sent, d.OK, d.GoroutinesPerBroker)
	}
}

func TestHoldNamedBrokers(t *testing.T) {
	check(t)
	fake := startFake(t)
	r := start("hold", "--brokers", strings.Join(fake.ListenAddrs(), ","), "--connections", "6", "--every", "100ms", "--duration", "300ms")
	r.expect(t, command.ExitOK, []string{"6 connections to 3 brokers", "unanswered 0: holds"}, []string{"3 brokers\n"})
}

func TestHoldIsInterrupted(t *testing.T) {
	check(t)
	r := start("hold", "--embedded-brokers", "1", "--connections", "2", "--every", "10ms", "--duration", "0", "--live", besideLive(t))
	r.err.await(t, " ok ")
	r.interrupts <- os.Interrupt
	r.expect(t, command.ExitOK, []string{"until it was interrupted", "unanswered 0: holds"}, []string{"interrupted: no more requests"})
}

// besideLive lets brokers run beside, and shows progress.
func besideLive(t *testing.T) string {
	t.Helper()
	besideBrokers(t)
	return "always"
}

func TestHoldIsInterruptedBeforeAnythingWasSent(t *testing.T) {
	check(t)
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	r := start("hold", "--brokers", l.Addr().String(), "--connections", "1")
	c, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.interrupts <- os.Interrupt
	r.expect(t, command.ExitInterrupted, nil, []string{"stress: interrupted before anything was sent"})
}

func TestHoldSurvivesABrokerThatIsKilled(t *testing.T) {
	check(t)
	var m mortal
	fake := startFake(t, kfake.ListenFn(m.listen))
	r := start("hold", "--brokers", strings.Join(fake.ListenAddrs(), ","), "--connections", "3", "--every", "20ms", "--duration", "0")
	r.err.await(t, " ok ")
	m.kill(t, fake.ListenAddrs()[1])
	r.err.await(t, "errors: ")
	r.interrupts <- os.Interrupt
	r.expect(t, command.ExitFailures,
		[]string{"brokers without a connection at the end: refused 1", "connections that ended by themselves: 1", "errors: ", "unanswered 0: holds"}, nil)
}

func TestAResponderThatIsTiedEndsWithItsInput(t *testing.T) {
	check(t)
	in, parent := net.Pipe()
	out := newOutput()
	ended := make(chan int, 1)
	interrupts := make(chan os.Signal, 1)
	interrupts <- os.Interrupt // which it does not heed
	go func() {
		ended <- command.Main(command.Env{Args: []string{"responder", "--listen", "127.0.0.1:0", "--until-input-ends"}, Stdin: in, Stdout: out, Stderr: out, Interrupts: interrupts})
	}()
	out.await(t, "listening on ", "\n")
	select {
	case code := <-ended:
		t.Fatalf("it has ended with exit code %d before its input", code)
	default:
	}
	parent.Close()
	select {
	case code := <-ended:
		if code != command.ExitOK || len(interrupts) != 1 {
			t.Errorf("exit code %d, %d interrupts left; want %d and 1", code, len(interrupts), command.ExitOK)
		}
	case <-time.After(30 * time.Second):
		t.Fatal("it does not end with its input")
	}
}

func TestHoldUsage(t *testing.T) {
	for _, tt := range []struct {
		args string
		want string
	}{
		{"--connections 0", "--connections is 0, want 1 to"},
		{"--connections 10 --embedded-brokers 3", "--connections is 10, want a multiple of the 3 brokers"},
		{"--connections 20000 --embedded-brokers 1", "want at most 10000 for each of the 1 broker"},
		{"--embedded-brokers 0", "--embedded-brokers is 0, want 1 to 5000"},
		{"--embedded-brokers 3 --brokers x:1", "exclude each other"},
		{"--brokers x:1,,y:2", "--brokers has an empty address"},
		{"--brokers x:1,x:1", "--brokers has x:1 twice"},
		{"--every 0s", "--every is 0s, want 1ms to 1h0m0s"},
		{"--duration -1s", "--duration is -1s, want 0 or more"},
		{"--timeout 0s", "--timeout is 0s, want 1ms to 1h0m0s"},
		{"--live sometimes", `--live is "sometimes", want auto, always or never`},
		{"extra", "unknown command"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			start(append([]string{"hold"}, strings.Fields(tt.args)...)...).expect(t, command.ExitCannotStart, nil, []string{"stress: ", tt.want, "Try stress --help."})
		})
	}
}

func TestHoldLimits(t *testing.T) {
	check(t)
	start("hold", "--connections", "1000000").expect(t, command.ExitCannotStart, nil, []string{"stress: ", " are needed and this machine allows "})
}
