//go:build unix

package kio_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// storm sends signals to this process until the test ends: every system call that can be interrupted is.
func storm(t *testing.T) {
	t.Helper()
	caught := make(chan os.Signal, 1)
	signal.Notify(caught, syscall.SIGUSR1, syscall.SIGURG)
	stop := make(chan struct{})
	var blowing sync.WaitGroup
	blowing.Go(func() {
		tick := time.NewTicker(100 * time.Microsecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-caught:
			case <-tick.C:
				_ = syscall.Kill(os.Getpid(), syscall.SIGUSR1)
				_ = syscall.Kill(os.Getpid(), syscall.SIGURG)
			}
		}
	})
	t.Cleanup(func() {
		close(stop)
		blowing.Wait()
		signal.Stop(caught)
	})
}

func TestSignalsInterruptNothing(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.WriteBufferBytes = 64 << 10 // so that sends stall as well
		storm(t)
		c := dialScript(t, cfg, hostile.Echo)
		for i := range 20 {
			message := random(500_000 + i)
			var sending sync.WaitGroup
			sending.Go(func() {
				if n, err := c.Send(message, 0); n != len(message) || err != nil {
					t.Errorf("Send %d: %d, %v; want %d, nil", i, n, err, len(message))
				}
			})
			got, err := c.Receive(len(message), 0)
			if err != nil || !bytes.Equal(got, message) {
				t.Fatalf("Receive %d: %d bytes, %v; want what was sent", i, len(got), err)
			}
			sending.Wait()
		}
		began := time.Now()
		_, err := c.Receive(1, short)
		if e := asError(t, err); !e.Timeout() || time.Since(began) < short {
			t.Errorf("Receive: %v after %v; want a timeout after %v, signals or not", err, time.Since(began), short)
		}
		// A dial under signals gives a connection that is one.
		for range 20 {
			d := dialScript(t, cfg, hostile.Echo)
			knock(t, d)
			if _, err := d.Receive(1, 0); err != nil {
				t.Fatal(err)
			}
			_ = d.Close()
		}
	})
}

// sigpipeChild makes the test binary the process that might die; its value is the driver to use.
const sigpipeChild = "KIO_TEST_SIGPIPE_CHILD"

// The original's process was killed by SIGPIPE when it sent after a reset.
func TestSendAfterResetDoesNotKillTheProcess(t *testing.T) {
	if driver := os.Getenv(sigpipeChild); driver != "" {
		sendAfterReset(t, driver)
		return
	}
	for _, d := range []kio.Driver{kio.DriverGnet, kio.DriverEpoll} {
		t.Run(d.String(), func(t *testing.T) {
			if e, err := kio.NewEngine(kio.EngineConfig{Driver: d}); err != nil {
				t.Skip(err)
			} else {
				_ = e.Close()
			}
			child := exec.Command(os.Args[0], "-test.run=^"+t.Name()[:strings.Index(t.Name(), "/")]+"$", "-test.v")
			child.Env = append(os.Environ(), sigpipeChild+"="+d.String())
			out, err := child.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "the process has survived") {
				t.Errorf("the process that sends after a reset ended with %v and said\n%s", err, out)
			}
		})
	}
}

func sendAfterReset(t *testing.T, driver string) {
	cfg := kio.EngineConfig{Driver: kio.DriverGnet, Loops: 1}
	if driver == kio.DriverEpoll.String() {
		cfg.Driver = kio.DriverEpoll
	}
	e, err := kio.NewEngine(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	b := hostile.Listen(t, on(cut))
	broken := 0
	for range 200 {
		c, err := kio.Dial(t.Context(), b.Addr(), kio.Config{Engine: e})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = io.WriteString(c, "into the void") // until the kernel says EPIPE or ECONNRESET
		}
		if _, err := c.Write([]byte("again")); err != nil {
			broken++
		}
		if _, err := c.Send([]byte("and again"), 0); err == nil {
			t.Error("Send after a reset: no error")
		}
		_ = c.Close()
	}
	fmt.Printf("%d broken connections, and the process has survived\n", broken)
}
