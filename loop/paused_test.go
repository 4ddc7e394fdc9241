package loop_test

import (
	"errors"
	"net"
	"path/filepath"
	"testing"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// TestAPausedStreamLosesNothingToThePeersEnd: a Unix peer's close is reported as a hang-up at once, with bytes still to be read.
func TestAPausedStreamLosesNothingToThePeersEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = ln.Close() }()
		const total = 400 << 10
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = nc.Write(body(1, total))
			_ = nc.Close()
		}()
		s := dialStream(t, e, loop.UnixPrefix+path)
		eventually(t, "the buffer to fill", func() bool { return s.Buffered() >= loop.StreamPauseBytes })
		got := make([]byte, total)
		if n, err := s.ReadFull(got, patience); n != total || err != nil || string(got) != string(body(1, total)) {
			t.Errorf("read %d of %d bytes: %v", n, total, err)
		}
		<-closed
	})
}

func TestAPausedStreamSurvivesAReset(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		reset := make(chan struct{})
		b := hostileBroker(t, hostile.Func(func(nc net.Conn) {
			_, _ = nc.Write(body(1, 300<<10))
			<-reset
			_ = nc.(*hostile.Peer).SetLinger(0)
			_ = nc.Close()
		}))
		s := dialStream(t, e, b.Addr())
		eventually(t, "the buffer to fill", func() bool { return s.Buffered() >= loop.StreamPauseBytes })
		close(reset)
		_, err := s.ReadFull(make([]byte, 8<<20), patience)
		if !errors.Is(err, syscallECONNRESET) {
			t.Errorf("error = %v, want ECONNRESET", err)
		}
	})
}
