package kio_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/nettest"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// short is a timeout that is meant to pass.
const short = 30 * time.Millisecond

// moment is one that is meant to pass, but not before what comes first has been done: the bytes are sent, the step is reached.
const moment = 10 * short

// big is more than the buffers of two kernels hold.
var big = make([]byte, 16<<20)

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{byte(n), byte(n >> 8)}).Read(b)
	return b
}

func TestEchoComesBackIdentical(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, hostile.Echo)
		for _, size := range []int{1, 2, 3, 4, 100, 4096, 65536, 1 << 20} {
			message := random(size)
			var sent sync.WaitGroup
			sent.Go(func() {
				if n, err := c.Send(message, 0); n != size || err != nil {
					t.Errorf("Send of %d bytes: %d, %v; want all", size, n, err)
				}
			})
			got, err := c.Receive(size, 0)
			if err != nil || !bytes.Equal(got, message) {
				t.Errorf("Receive(%d): %d bytes, same: %t, error %v; want what was sent", size, len(got), bytes.Equal(got, message), err)
			}
			sent.Wait()
		}
	})
}

func TestManySendsOverOneSocket(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		b := hostile.Listen(t, hostile.Echo)
		c := mustDial(t, b.Addr(), cfg)
		local := c.LocalAddr().String()
		for i := range 2000 {
			message := random(1 + i%300)
			if n, err := c.Send(message, 0); n != len(message) || err != nil {
				t.Fatalf("Send %d: %d, %v; want %d, nil", i, n, err, len(message))
			}
			if got, err := c.Receive(len(message), 0); err != nil || !bytes.Equal(got, message) {
				t.Fatalf("Receive %d: %x, %v; want %x", i, got, err, message)
			}
		}
		if got := c.LocalAddr().String(); got != local || b.Accepted() != 1 {
			t.Errorf("%d connections, the local address went from %s to %s; want one socket for all", b.Accepted(), local, got)
		}
	})
}

func TestAliveUntilClosed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, hostile.Echo)
		if !c.IsAlive() {
			t.Error("not alive after Dial")
		}
		if n := cfg.Engine.Conns(); n != 1 {
			t.Errorf("the engine has %d connections, want 1", n)
		}
		for range 2 {
			if err := c.Close(); err != nil {
				t.Errorf("Close: %v, want nil", err)
			}
		}
		if c.IsAlive() {
			t.Error("alive after Close")
		}
		if n := cfg.Engine.Conns(); n != 0 {
			t.Errorf("the engine has %d connections after Close, want none", n)
		}
		_, err := c.Send([]byte{1}, 0)
		wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed)
		_, err = c.Receive(1, 0)
		wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed)
		_, err = c.TryReceive(1, 0)
		wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed)
		_, err = c.Read(make([]byte, 1))
		wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed)
		_, err = c.Write([]byte{1})
		wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed)
		wantIs(t, withCode(t, c.SetDeadline(time.Now()), kio.CodeNoConnection), net.ErrClosed)
	})
}

func TestNotAliveAfterTheServerStops(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		b := hostile.Listen(t, hostile.Echo)
		c := mustDial(t, b.Addr(), cfg)
		knock(t, c)
		if _, err := c.Receive(1, 0); err != nil {
			t.Fatal(err)
		}
		b.Close()
		eventually(t, "IsAlive is false", func() bool { return !c.IsAlive() })
		n, err := c.Send([]byte("x"), 0)
		e := withCode(t, err, kio.CodeNoConnection)
		if n != 0 || !e.SafeToRetry() || e.Want != 1 {
			t.Errorf("Send: %d, %v, safe to retry %t; want 0 of 1 byte and safe", n, err, e.SafeToRetry())
		}
	})
}

func TestPeersEndIsSeenBehindUnreadBytes(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, on(ends("last words")))
		knock(t, c)
		eventually(t, "IsAlive is false", func() bool { return !c.IsAlive() })

		_, err := c.Send([]byte("x"), 0)
		e := withCode(t, err, kio.CodeNoConnection)
		wantIs(t, err, io.EOF)
		if !e.SafeToRetry() {
			t.Errorf("error %v is not safe to retry, but nothing was sent", err)
		}
		// Users of net.Conn set deadlines before each read: the peer's end must not hide its last words.
		if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Errorf("SetDeadline after the peer's end: %v, want nil", err)
		}
		if got, err := c.Receive(10, 0); err != nil || string(got) != "last words" {
			t.Errorf("Receive: %q, %v; want what came before the end", got, err)
		}
		if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // net.Conn's contract: io.EOF itself
			t.Errorf("Read: %v, want io.EOF itself", err)
		}
		_, err = c.Receive(1, 0)
		wantIs(t, withCode(t, err, kio.CodeNoConnection), io.EOF)
		_, err = c.Receive(1, 0) // and again, now closed from this side
		wantIs(t, withCode(t, err, kio.CodeNoConnection), io.EOF, net.ErrClosed)
		if _, err := c.Read(make([]byte, 1)); err != io.EOF { //nolint:errorlint // as above
			t.Errorf("Read: %v, want io.EOF itself", err)
		}
	})
}

func TestLengthsAndTimeoutsAreBounded(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.MaxFrameBytes, cfg.MaxRequestBytes = 1000, 100
		c := dialScript(t, cfg, hostile.Echo)
		for _, tt := range []struct {
			name string
			call func() error
			ok   bool
		}{
			{"send nothing", func() error { _, err := c.Send(nil, 0); return err }, false},
			{"send the most", func() error { _, err := c.Send(make([]byte, 100), 0); return err }, true},
			{"receive it", func() error { _, err := c.Receive(100, 0); return err }, true},
			{"send too much", func() error { _, err := c.Send(make([]byte, 101), 0); return err }, false},
			{"send in negative time", func() error { _, err := c.Send([]byte{1}, -1); return err }, false},
			{"receive 0", func() error { _, err := c.Receive(0, 0); return err }, false},
			{"receive -1", func() error { _, err := c.Receive(-1, 0); return err }, false},
			{"receive too much", func() error { _, err := c.Receive(1001, 0); return err }, false},
			{"receive in negative time", func() error { _, err := c.Receive(1, -time.Hour); return err }, false},
			{"try 0", func() error { _, err := c.TryReceive(0, 0); return err }, false},
			{"try -1", func() error { _, err := c.TryReceive(-1, 0); return err }, false},
			{"try too much", func() error { _, err := c.TryReceive(1001, 0); return err }, false},
			{"try in negative time", func() error { _, err := c.TryReceive(1, -1); return err }, false},
		} {
			err := tt.call()
			if tt.ok {
				if err != nil {
					t.Errorf("%s: %v, want nil", tt.name, err)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s: no error", tt.name)
				continue
			}
			if e := withCode(t, err, kio.CodeInvalidArgument); !e.SafeToRetry() {
				t.Errorf("%s: %v is not safe to retry, but nothing was done", tt.name, err)
			}
		}
		if !c.IsAlive() {
			t.Error("a refused argument has closed the connection")
		}
		// The most that Receive takes.
		for range 10 {
			if _, err := c.Send(make([]byte, 100), 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Receive(1000, 0); err != nil {
			t.Errorf("Receive of Config.MaxFrameBytes: %v, want nil", err)
		}
	})
}

func TestTimeoutBeforeTheFirstByteLeavesTheConnectionUsable(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, hostile.Echo)
		for name, call := range map[string]func() error{
			"Receive":    func() error { _, err := c.Receive(4, short); return err },
			"TryReceive": func() error { _, err := c.TryReceive(4, short); return err },
		} {
			began := time.Now()
			err := call()
			e := withCode(t, err, kio.CodeCannotReceive)
			wantIs(t, err, os.ErrDeadlineExceeded, context.DeadlineExceeded)
			if !e.Timeout() || e.Bytes != 0 || e.Want != 4 || e.Elapsed < short || time.Since(began) < short {
				t.Errorf("%s: %v, timeout %t, %d of %d bytes, elapsed %v; want a timeout after %v with 0 of 4 bytes", name, err, e.Timeout(), e.Bytes, e.Want, e.Elapsed, short)
			}
			if errors.Is(err, kio.ErrPoisoned) || !c.IsAlive() {
				t.Errorf("%s: %v, alive %t; want the connection as good as before", name, err, c.IsAlive())
			}
		}
		if _, err := c.Send([]byte("ping"), 0); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Receive(4, 0); err != nil || string(got) != "ping" {
			t.Errorf("Receive after timeouts: %q, %v; want ping", got, err)
		}
	})
}

func TestTimeoutOfTheConfig(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.Timeout = short
		c := dialScript(t, cfg, hostile.Stall)
		_, err := c.Receive(1, 0)
		if e := withCode(t, err, kio.CodeCannotReceive); !e.Timeout() || e.Elapsed < short {
			t.Errorf("Receive: %v; want a timeout after Config.Timeout, %v", err, short)
		}
	})
}

// The original kept such a socket open, and took the rest of one answer for the beginning of the next.
func TestTimeoutInTheMiddleOfAMessagePoisons(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, on(sends("1234567"))) // a frame cut 3 bytes short, the socket kept
		knock(t, c)
		eventually(t, "7 bytes are there", func() bool {
			_, err := c.Receive(10, short)
			e := withCode(t, err, kio.CodeCannotReceive)
			if e.Bytes == 0 { // not yet; a timeout before the first byte changes nothing
				return false
			}
			wantIs(t, err, os.ErrDeadlineExceeded, kio.ErrPoisoned)
			if !e.Timeout() || e.Bytes != 7 || e.Want != 10 {
				t.Errorf("Receive: %v, %d of %d bytes; want a timeout after 7 of 10", err, e.Bytes, e.Want)
			}
			return true
		})
		wantPoisoned(t, c)
	})
}

// wantPoisoned checks that every later call says why.
func wantPoisoned(t *testing.T, c *kio.Conn) {
	t.Helper()
	if c.IsAlive() {
		t.Error("alive, though poisoned")
	}
	for name, call := range map[string]func() error{
		"Send":        func() error { _, err := c.Send([]byte{1}, 0); return err },
		"Receive":     func() error { _, err := c.Receive(1, 0); return err },
		"TryReceive":  func() error { _, err := c.TryReceive(1, 0); return err },
		"Read":        func() error { _, err := c.Read(make([]byte, 1)); return err },
		"Write":       func() error { _, err := c.Write([]byte{1}); return err },
		"SetDeadline": func() error { return c.SetDeadline(time.Time{}) },
	} {
		err := call()
		e := withCode(t, err, kio.CodeNoConnection)
		wantIs(t, err, kio.ErrPoisoned, net.ErrClosed)
		if e.Timeout() {
			t.Errorf("%s on a poisoned connection: %v is a timeout, but this call had none", name, err)
		}
	}
}

func TestEndInTheMiddleOfAMessage(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, on(ends("1234567"))) // a frame cut 3 bytes short, the socket closed
		knock(t, c)
		_, err := c.Receive(10, 0)
		e := withCode(t, err, kio.CodeCannotReceive)
		wantIs(t, err, io.ErrUnexpectedEOF)
		if e.Bytes != 7 || e.Want != 10 || e.Timeout() || c.IsAlive() {
			t.Errorf("Receive: %v, %d of %d bytes, alive %t; want 7 of 10 and closed", err, e.Bytes, e.Want, c.IsAlive())
		}
		_, err = c.Receive(10, 0)
		wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed, io.ErrUnexpectedEOF)
	})
}

func TestSocketClosedBeforeTheAcknowledgement(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, on(ends("")))
		knock(t, c)
		_, err := c.Receive(4, 0)
		e := withCode(t, err, kio.CodeNoConnection)
		wantIs(t, err, io.EOF)
		if e.Bytes != 0 || e.Want != 4 || e.SafeToRetry() || c.IsAlive() {
			t.Errorf("Receive: %v, %d of %d bytes, safe to retry %t, alive %t; want 0 of 4, not safe as the request was sent, closed", err, e.Bytes, e.Want, e.SafeToRetry(), c.IsAlive())
		}
	})
}

func TestReset(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, on(cut))
		knock(t, c)
		_, err := c.Receive(4, 0)
		wantIs(t, withCode(t, err, kio.CodeCannotReceive), syscall.ECONNRESET)
		if c.IsAlive() {
			t.Error("alive after a reset")
		}
		n, err := c.Send([]byte("x"), 0)
		e := withCode(t, err, kio.CodeNoConnection)
		wantIs(t, err, syscall.ECONNRESET)
		if n != 0 || !e.SafeToRetry() {
			t.Errorf("Send: %d, %v, safe to retry %t; want 0 and safe", n, err, e.SafeToRetry())
		}
	})
}

func TestTryReceiveGivesWhatIsThere(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		proceed := make(chan struct{})
		c := dialScript(t, cfg, on(func(p *hostile.Peer) {
			sends("abc")(p)
			select {
			case <-proceed:
			case <-p.Done():
				return
			}
			ends(string(random(100_000)))(p)
		}))
		knock(t, c)
		got, err := c.TryReceive(1000, 0)
		if cap(got) != len(got) {
			t.Errorf("TryReceive(1000): %d bytes with room for %d, want no room to write behind them", len(got), cap(got))
		}
		for err == nil && len(got) < 3 {
			var more []byte
			more, err = c.TryReceive(1000-len(got), 0)
			got = append(got, more...)
		}
		if err != nil || string(got) != "abc" {
			t.Errorf("TryReceive: %q, %v; want abc", got, err)
		}
		close(proceed)
		got = nil
		for {
			more, err := c.TryReceive(30_000, 0)
			if len(more) > 30_000 || err == nil && len(more) == 0 || cap(more) != len(more) {
				t.Errorf("TryReceive(30000): %d bytes, capacity %d, %v; want 1 to 30000, and no room to write behind them", len(more), cap(more), err)
			}
			if err != nil {
				wantIs(t, withCode(t, err, kio.CodeNoConnection), io.EOF)
				break
			}
			got = append(got, more...)
		}
		if !bytes.Equal(got, random(100_000)) {
			t.Errorf("%d bytes came, same: %t; want 100000, the same", len(got), bytes.Equal(got, random(100_000)))
		}
	})
}

func TestSendToAPeerThatDoesNotRead(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.WriteBufferBytes = 64 << 10
		c := dialScript(t, cfg, hostile.Silence)
		message := big
		n, err := c.Send(message, moment)
		e := withCode(t, err, kio.CodeCannotSend)
		wantIs(t, err, os.ErrDeadlineExceeded, kio.ErrPoisoned)
		if n <= 0 || n >= len(message) || e.Bytes != n || e.Want != len(message) || !e.Timeout() || e.SafeToRetry() || e.Elapsed < moment {
			t.Errorf("Send: %d, %v, timeout %t, safe %t; want a part of the message after %v, and no retry", n, err, e.Timeout(), e.SafeToRetry(), moment)
		}
		wantPoisoned(t, c)
	})
}

func TestSendWithoutRoomForAByteLeavesTheConnectionUsable(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.WriteBufferBytes = 16 << 10
		read := make(chan struct{})
		c := dialScript(t, cfg, func(p *hostile.Peer) {
			_ = p.SetReadBuffer(1)
			select {
			case <-read:
				_, _ = io.Copy(io.Discard, p.TCPConn)
			case <-p.Done():
			}
		})
		// Fill both kernels' buffers by Write, which does not poison.
		if err := c.SetWriteDeadline(time.Now().Add(short)); err != nil {
			t.Fatal(err)
		}
		_, err := c.Write(big)
		wantIs(t, withCode(t, err, kio.CodeCannotSend), os.ErrDeadlineExceeded)
		if err := c.SetWriteDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		// The kernel may still find room for a while; once it does not, nothing of a message is taken.
		eventually(t, "the buffers are full", func() bool {
			_ = c.SetWriteDeadline(time.Now().Add(moment))
			n, _ := c.Write(big)
			_ = c.SetWriteDeadline(time.Time{})
			return n == 0
		})
		n, err := c.Send([]byte("message"), short)
		e := withCode(t, err, kio.CodeCannotSend)
		if n != 0 || !e.Timeout() || !e.SafeToRetry() || errors.Is(err, kio.ErrPoisoned) || !c.IsAlive() {
			t.Errorf("Send: %d, %v, alive %t; want a timeout without a byte, and the connection as good as before", n, err, c.IsAlive())
		}
		close(read)
		if n, err := c.Send([]byte("message"), 0); n != 7 || err != nil {
			t.Errorf("Send when the peer reads again: %d, %v; want 7, nil", n, err)
		}
	})
}

// The original gave up after 30 partial writes, and copied the rest of the message after each.
func TestSendInManyPartsToASlowPeer(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.WriteBufferBytes = 16 << 10
		message := random(300_000)
		want := sha256.Sum256(message)
		got := make(chan [sha256.Size]byte, 1)
		c := dialScript(t, cfg, func(p *hostile.Peer) {
			_ = p.SetReadBuffer(16 << 10)
			h := sha256.New()
			_, _ = io.CopyBuffer(h, io.LimitReader(struct{ io.Reader }{p.TCPConn}, int64(len(message))), make([]byte, 1000))
			got <- [sha256.Size]byte(h.Sum(nil))
		})
		if n, err := c.Send(message, 0); n != len(message) || err != nil {
			t.Fatalf("Send: %d, %v; want %d, nil", n, err, len(message))
		}
		if sum := <-got; sum != want {
			t.Errorf("the peer read other bytes than were sent")
		}
	})
}

func TestPeersResetEndsASendInProgress(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.WriteBufferBytes = 64 << 10
		b := hostile.Listen(t, on(func(p *hostile.Peer) {
			_, _ = io.ReadFull(p, make([]byte, 200_000)) // by now the sender has stalled, or will
			cut(p)
		}))
		for range 50 {
			c := mustDial(t, b.Addr(), cfg)
			n, err := c.Send(big, 0)
			e := withCode(t, err, kio.CodeCannotSend)
			wantIs(t, err, kio.ErrPoisoned)
			if errors.Is(err, net.ErrClosed) || !errors.Is(err, syscall.ECONNRESET) && !errors.Is(err, syscall.EPIPE) {
				t.Errorf("Send: %v; want the peer's reset for a cause, for this side has closed nothing", err)
			}
			if n == 0 || e.Bytes != n || e.SafeToRetry() {
				t.Errorf("Send: %d, %v; want a part of the message and no retry", n, err)
			}
			_ = c.Close()
		}
	})
}

func TestCloseEndsCallsInProgress(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.WriteBufferBytes = 64 << 10
		c := dialScript(t, cfg, hostile.Silence)
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := c.Receive(1, 0)
			wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed)
		})
		calls.Go(func() {
			_, err := c.Send(big, 0)
			wantIs(t, err, net.ErrClosed)
		})
		<-time.After(short) // they wait, most likely; if not yet, they must end all the same
		_ = c.Close()
		calls.Wait()
	})
}

func TestEngineCloseEndsCallsInProgress(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		b := hostile.Listen(t, hostile.Stall)
		c := mustDial(t, b.Addr(), cfg)
		var calls sync.WaitGroup
		calls.Go(func() {
			_, err := c.Receive(1, 0)
			wantIs(t, withCode(t, err, kio.CodeNoConnection), net.ErrClosed)
		})
		if err := cfg.Engine.Close(); err != nil {
			t.Fatal(err)
		}
		calls.Wait()
		_, err := kio.Dial(t.Context(), b.Addr(), cfg)
		wantIs(t, err, net.ErrClosed)
	})
}

func TestOneSendsWhileAnotherReceives(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, hostile.Echo)
		const rounds, size = 200, 20_000
		var sender sync.WaitGroup
		sender.Go(func() {
			for i := range rounds {
				if _, err := c.Send(random(size+i), 0); err != nil {
					t.Errorf("Send %d: %v", i, err)
					return
				}
			}
		})
		for i := range rounds {
			got, err := c.Receive(size+i, 0)
			if err != nil || !bytes.Equal(got, random(size+i)) {
				t.Fatalf("Receive %d: %d bytes, %v; want what was sent", i, len(got), err)
			}
		}
		sender.Wait()
	})
}

func TestConnIsANetConn(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
			c, peer, err := pair(cfg)
			if err != nil {
				return nil, nil, nil, err
			}
			return c, peer, func() { _, _ = c.Close(), peer.Close() }, nil
		})
		t.Run("TheOtherWayRound", func(t *testing.T) {
			nettest.TestConn(t, func() (net.Conn, net.Conn, func(), error) {
				c, peer, err := pair(cfg)
				if err != nil {
					return nil, nil, nil, err
				}
				return peer, c, func() { _, _ = c.Close(), peer.Close() }, nil
			})
		})
	})
}

func TestDeadlinesBoundSendAndReceive(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, hostile.Stall)
		past := time.Now().Add(-time.Second)
		if err := c.SetDeadline(past); err != nil {
			t.Fatal(err)
		}
		n, err := c.Send([]byte{1}, 0)
		if e := withCode(t, err, kio.CodeCannotSend); n != 0 || !e.Timeout() || !e.SafeToRetry() {
			t.Errorf("Send: %d, %v; want a timeout before the first byte", n, err)
		}
		_, err = c.Receive(1, 0)
		if e := withCode(t, err, kio.CodeCannotReceive); !e.Timeout() {
			t.Errorf("Receive: %v; want a timeout", err)
		}
		if !c.IsAlive() {
			t.Error("a deadline has closed the connection")
		}
	})
}

func TestUnixSocket(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		path := filepath.Join(t.TempDir(), "s")
		ln, err := net.Listen("unix", path)
		if err != nil {
			t.Skip(err)
		}
		defer ln.Close()
		c := mustDial(t, "unix:"+path, cfg)
		peer, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer peer.Close()
		if _, err := c.Send([]byte("ping"), 0); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 4)
		if _, err := io.ReadFull(peer, b); err != nil || string(b) != "ping" {
			t.Errorf("the peer read %q, %v; want ping", b, err)
		}
		if c.Addr() != "unix:"+path {
			t.Errorf("Addr is %q, want it as given", c.Addr())
		}
		_ = peer.Close()
		eventually(t, "IsAlive is false", func() bool { return !c.IsAlive() })
	})
}

// More comes than a connection buffers, so that it stops reading, and goes on, many times.
func TestSlowReceiverGetsAllInOrder(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		const blocks = 24
		block := random(1 << 20)
		c := dialScript(t, cfg, hostile.Func(func(peer net.Conn) {
			for range blocks {
				if _, err := peer.Write(block); err != nil {
					return
				}
			}
			_ = peer.Close()
		}))
		for at, i := 0, 0; at < blocks*len(block); i++ {
			got, err := c.Receive(min(1+(i*7919)%300_000, blocks*len(block)-at), 0)
			if err != nil {
				t.Fatalf("Receive after %d bytes: %v", at, err)
			}
			for rest := got; len(rest) > 0; {
				here := block[at%len(block):]
				n := min(len(rest), len(here))
				if !bytes.Equal(rest[:n], here[:n]) {
					t.Fatalf("other bytes than were sent, between %d and %d", at, at+n)
				}
				rest, at = rest[n:], at+n
			}
		}
		_, err := c.Receive(1, 0)
		wantIs(t, err, io.EOF)
	})
}
