package kio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/internal/leak"
	"kafkaio/kio"
)

// patience bounds what ought to happen at once. Guessed: more than a busy machine needs, and spent only by tests that fail.
const patience = 10 * time.Second

// config begins a socket test: it checks for leaks at the end, and gives a configuration with an engine of the test's own, so that a connection
// left open is seen.
func config(t *testing.T) kio.Config {
	t.Helper()
	return configOn(t, kio.DriverAuto)
}

// onEachDriver runs a test on every driver that the platform has, each time begun as config does.
func onEachDriver(t *testing.T, test func(t *testing.T, cfg kio.Config)) {
	t.Helper()
	for _, d := range []kio.Driver{kio.DriverGnet, kio.DriverEpoll} {
		t.Run(d.String(), func(t *testing.T) { test(t, configOn(t, d)) })
	}
}

func configOn(t *testing.T, d kio.Driver) kio.Config {
	t.Helper()
	leak.Check(t)
	e, err := kio.NewEngine(kio.EngineConfig{Driver: d, Loops: 1})
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if n := e.Conns(); n != 0 {
			t.Errorf("%d connections are open at the end of the test, want 0", n)
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
	return kio.Config{Engine: e, Timeout: patience, Debug: &kio.Debug{}}
}

// mustDial connects, and closes at the end of the test.
func mustDial(t *testing.T, addr string, cfg kio.Config) *kio.Conn {
	t.Helper()
	c, err := kio.Dial(t.Context(), addr, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v, want nil, always", err)
		}
	})
	return c
}

// dialScript connects to a hostile broker.
func dialScript(t *testing.T, cfg kio.Config, script hostile.Script) *kio.Conn {
	t.Helper()
	return mustDial(t, hostile.Listen(t, script).Addr(), cfg)
}

// eventually polls until a state is reached, and fails the test when it is not.
func eventually(t *testing.T, what string, reached func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !reached(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not so after %v", what, patience)
		}
		<-time.After(time.Millisecond) // between two looks; never taken for a state
	}
}

// asError is the *kio.Error that every error ought to be.
func asError(t *testing.T, err error) *kio.Error {
	t.Helper()
	var e *kio.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v is a %T, want a *kio.Error", err, err)
	}
	if e.Err == nil {
		t.Fatalf("error %#v has no cause", e)
	}
	return e
}

// wantCode checks the code of an error.
func wantCode(t *testing.T, err error, code kio.Code) {
	t.Helper()
	_ = withCode(t, err, code)
}

// withCode is asError, and checks the code.
func withCode(t *testing.T, err error, code kio.Code) *kio.Error {
	t.Helper()
	e := asError(t, err)
	if e.Code != code {
		t.Errorf("error %v: code %d, want %d", err, e.Code, code)
	}
	return e
}

// wantIs checks that an error matches each cause.
func wantIs(t *testing.T, err error, causes ...error) {
	t.Helper()
	for _, cause := range causes {
		if !errors.Is(err, cause) {
			t.Errorf("error %v does not match %v", err, cause)
		}
	}
}

// on makes a script of raw bytes. It runs once the client has sent one byte, so that the connection is surely registered.
func on(f func(c *hostile.Peer)) hostile.Script {
	return func(p *hostile.Peer) {
		if _, err := io.ReadFull(p, make([]byte, 1)); err == nil {
			f(p)
		}
	}
}

// knock sends the byte that on waits for.
func knock(t *testing.T, c *kio.Conn) {
	t.Helper()
	if n, err := c.Send([]byte{0}, 0); n != 1 || err != nil {
		t.Fatalf("Send: %d, %v; want 1, nil", n, err)
	}
}

// cut ends a connection with a reset.
func cut(c *hostile.Peer) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

// sends writes bytes and keeps the connection.
func sends(b string) func(*hostile.Peer) {
	return func(c *hostile.Peer) { _, _ = io.WriteString(c.TCPConn, b) }
}

// ends writes bytes, then FIN.
func ends(b string) func(*hostile.Peer) {
	return func(c *hostile.Peer) {
		_, _ = io.WriteString(c.TCPConn, b)
		_ = c.CloseWrite()
	}
}

// pair is a connection of ours and the plain one at its other end.
func pair(cfg kio.Config) (c *kio.Conn, peer net.Conn, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer ln.Close()
	c, err = kio.Dial(context.Background(), ln.Addr().String(), cfg)
	if err != nil {
		return nil, nil, err
	}
	peer, err = ln.Accept()
	if err != nil {
		_ = c.Close()
		return nil, nil, err
	}
	return c, peer, nil
}
