package loop_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

func TestStreamCarriesBytesBothWays(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		s := dialStream(t, e, hostileBroker(t, hostile.Echo).Addr())
		for i, n := range []int{1, 100, 64 << 10, 4 << 20} {
			sent := body(i, n)
			var wg sync.WaitGroup
			wg.Go(func() {
				if m, err := s.WriteFull(sent, patience); err != nil || m != n {
					t.Errorf("WriteFull = %d, %v", m, err)
				}
			})
			got := make([]byte, n)
			if m, err := s.ReadFull(got, patience); err != nil || m != n {
				t.Fatalf("ReadFull = %d, %v", m, err)
			}
			wg.Wait()
			if !bytes.Equal(got, sent) {
				t.Errorf("%d bytes came back changed", n)
			}
		}
		if !s.Alive() {
			t.Error("Alive is false")
		}
		_ = s.Close()
		if s.Alive() {
			t.Error("Alive after Close")
		}
		if _, err := s.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read after Close: %v", err)
		}
		if _, err := s.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write after Close: %v", err)
		}
	})
}

// TestASlowReaderHoldsBackItsPeer: a flood that nobody reads stays in the kernel, none of it is lost, and other connections go on.
func TestASlowReaderHoldsBackItsPeer(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		const total = 24 << 20
		flood := body(1, total)
		b := hostileBroker(t, hostile.Func(func(c net.Conn) { _, _ = c.Write(flood); _ = c.Close() }))
		s := dialStream(t, e, b.Addr())
		other := dialStream(t, e, hostileBroker(t, hostile.Echo).Addr())
		got := make([]byte, 0, total)
		piece := make([]byte, 300_000)
		for len(got) < total {
			if len(got) < 8<<20 { // lag behind, so that the stream pauses again and again
				eventually(t, "the buffer to fill", func() bool { return s.Buffered() >= loop.StreamPauseBytes })
			}
			if n := s.Buffered(); n > loop.StreamPauseBytes+(1<<20) {
				t.Fatalf("%d bytes are buffered, want about %d at most", n, loop.StreamPauseBytes)
			}
			if _, err := other.WriteFull([]byte("ping"), patience); err != nil {
				t.Fatal(err)
			}
			if _, err := other.ReadFull(make([]byte, 4), patience); err != nil {
				t.Fatalf("the other stream: %v", err)
			}
			n, err := s.ReadSome(piece, patience)
			if err != nil {
				t.Fatalf("after %d bytes: %v", len(got), err)
			}
			got = append(got, piece[:n]...)
		}
		if !bytes.Equal(got, flood) {
			t.Error("the bytes came changed")
		}
		if _, err := s.ReadSome(piece, patience); !errors.Is(err, io.EOF) {
			t.Errorf("at the end: %v, want io.EOF", err)
		}
	})
}

func TestAPausedStreamCanBeClosedAndItsEngineStopped(t *testing.T) {
	for _, stop := range []bool{false, true} {
		eachDriver(t, func(t *testing.T, e *loop.Engine) {
			b := hostileBroker(t, hostile.Flood)
			var streams []*loop.Stream
			for range 5 {
				s := dialStream(t, e, b.Addr())
				eventually(t, "the buffer to fill", func() bool { return s.Buffered() >= loop.StreamPauseBytes })
				streams = append(streams, s)
			}
			if stop {
				within(t, patience, "Stop", func() { _ = e.Stop() })
				return
			}
			for _, s := range streams {
				within(t, patience, "Close", func() { _ = s.Close() })
			}
		})
	}
}

func TestStreamDeadlinesEndWaitsInProgress(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		s := dialStream(t, e, hostileBroker(t, hostile.Silence).Addr())
		if _, err := s.ReadFull(make([]byte, 1), 20*time.Millisecond); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("ReadFull: %v, want a deadline's error", err)
		}
		reads, writes := make(chan error, 1), make(chan error, 1)
		big := make([]byte, 64<<20) // here: it takes its time on a busy machine
		go func() {
			_, err := s.Read(make([]byte, 1))
			reads <- err
		}()
		go func() {
			_, err := s.Write(big)
			writes <- err
		}()
		<-time.After(20 * time.Millisecond)
		if err := s.SetDeadline(time.Now().Add(20 * time.Millisecond)); err != nil {
			t.Fatal(err)
		}
		within(t, patience, "both waits", func() {
			for _, ch := range []chan error{reads, writes} {
				if err := <-ch; !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Errorf("error = %v, want a deadline's", err)
				}
			}
		})
		if err := s.SetDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		go func() {
			_, err := s.Read(make([]byte, 1))
			reads <- err
		}()
		go func() {
			_, err := s.Write(big)
			writes <- err
		}()
		<-time.After(10 * time.Millisecond)
		_ = s.Close()
		within(t, patience, "both waits", func() {
			for _, ch := range []chan error{reads, writes} {
				if err := <-ch; !errors.Is(err, net.ErrClosed) {
					t.Errorf("error = %v, want net.ErrClosed", err)
				}
			}
		})
	})
}

func TestStreamReportsThePeersEnd(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		s := dialStream(t, e, hostileBroker(t, hostile.Func(func(c net.Conn) { _, _ = c.Write([]byte("last words")); _ = c.Close() })).Addr())
		eventually(t, "the end", func() bool { return !s.Alive() })
		got := make([]byte, 20)
		if n, err := s.ReadFull(got, patience); n != 10 || !errors.Is(err, io.EOF) {
			t.Errorf("ReadFull = %d, %v, want 10 bytes and io.EOF", n, err)
		}
		if n, err := s.Read(got); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("Read = %d, %v, want io.EOF", n, err)
		}
		reset := dialStream(t, e, hostileBroker(t, hostile.Reset(1)).Addr())
		if _, err := reset.Write(append([]byte{0, 0, 0, 8}, request(1, nil)...)); err != nil {
			t.Fatal(err)
		}
		if _, err := reset.ReadFull(got, patience); !errors.Is(err, syscallECONNRESET) {
			t.Errorf("ReadFull: %v, want ECONNRESET", err)
		}
	})
}
