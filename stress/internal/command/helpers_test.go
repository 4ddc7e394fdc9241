package command_test

import (
	"bytes"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"kafkaio/internal/leak"
	"kafkaio/stress/internal/command"
)

// check is leak.Check without the workers of gnet's pool, which end when they have been idle for 10 s.
func check(t *testing.T) {
	t.Helper()
	leak.Check(t, leak.IgnoreGoroutine("github.com/panjf2000/ants/v2.(*goWorker).run.func1"))
}

// output is what a command has written so far, and who waits for more. Safe for concurrent use.
type output struct {
	mu      sync.Mutex
	text    bytes.Buffer
	written chan struct{} // closed and replaced by each write
}

func newOutput() *output { return &output{written: make(chan struct{})} }

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	close(o.written)
	o.written = make(chan struct{})
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// await returns when the text has all of the parts.
func (o *output) await(t *testing.T, parts ...string) {
	t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		o.mu.Lock()
		text, written := o.text.String(), o.written
		o.mu.Unlock()
		if hasAll(text, parts) {
			return
		}
		select {
		case <-written:
		case <-timeout:
			t.Fatalf("%q did not come in\n%s", parts, text)
		}
	}
}

func hasAll(text string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// running is a command on its way.
type running struct {
	out, err   *output
	interrupts chan os.Signal
	exits      chan int // codes that it wanted the process to exit with
	ended      chan int
}

func start(args ...string) *running {
	r := &running{
		out: newOutput(), err: newOutput(),
		interrupts: make(chan os.Signal, 2), exits: make(chan int, 1), ended: make(chan int, 1),
	}
	go func() {
		r.ended <- command.Main(command.Env{
			Args: args, Stdout: r.out, Stderr: r.err, Interrupts: r.interrupts,
			Exit: func(code int) { r.exits <- code },
		})
	}()
	return r
}

// wait returns the exit code.
func (r *running) wait(t *testing.T) int {
	t.Helper()
	select {
	case code := <-r.ended:
		return code
	case <-time.After(60 * time.Second):
		t.Fatalf("the command does not end; it wrote\n%s\n%s", r.out, r.err)
		return 0
	}
}

// expect waits and compares the exit code and parts of what was written.
func (r *running) expect(t *testing.T, code int, out, err []string) {
	t.Helper()
	if got := r.wait(t); got != code {
		t.Errorf("exit code %d, want %d", got, code)
	}
	if !hasAll(r.out.String(), out) || !hasAll(r.err.String(), err) {
		t.Errorf("want %q in standard output and %q in standard error", out, err)
	}
	if t.Failed() {
		t.Logf("standard output:\n%s\nstandard error:\n%s", r.out, r.err)
	}
}

// mortal makes kfake's brokers killable: it keeps each listener with its connections.
type mortal struct {
	mu        sync.Mutex
	listeners []*mortalListener
}

type mortalListener struct {
	net.Listener
	mu    sync.Mutex
	dead  bool
	conns []net.Conn
}

func (m *mortal) listen(network, addr string) (net.Listener, error) {
	l, err := net.Listen(network, addr)
	if err != nil {
		return nil, err
	}
	ml := &mortalListener{Listener: l}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.listeners = append(m.listeners, ml)
	return ml, nil
}

func (l *mortalListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead {
		c.Close()
	}
	l.conns = append(l.conns, c)
	return c, nil
}

// kill ends the broker at an address with all its connections.
func (m *mortal) kill(t *testing.T, addr string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.listeners {
		if l.Addr().String() == addr {
			l.Close()
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dead = true
			for _, c := range l.conns {
				c.Close()
			}
			return
		}
	}
	t.Fatalf("nobody listens at %s", addr)
}

func startFake(t *testing.T, opts ...kfake.Opt) *kfake.Cluster {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(3)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}
