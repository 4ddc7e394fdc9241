package kio_test

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"testing"
	"time"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

func TestSubmitsCallbackGetsErrorsOfThisPackage(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		for _, level := range []int{0, 2} {
			cfg.OpenRaw = true
			cfg.Debug = &kio.Debug{Level: level}
			cfg.Logger = slog.New(slog.DiscardHandler)
			b := mustDialBroker(t, hostile.Listen(t, hostile.Stall).Addr(), cfg)
			ended := make(chan error, 2)
			done := func(_ []byte, err error) { ended <- err }
			request := make([]byte, 8)
			if err := b.Submit(request, time.Now().Add(moment), done); err != nil {
				t.Fatal(err)
			}
			err := <-ended
			wantCode(t, err, kio.CodeNoAcknowledgement)
			wantIs(t, err, os.ErrDeadlineExceeded)
			if asError(t, err).SafeToRetry() {
				t.Errorf("%v: said to be safe to retry", err)
			}
			if err := b.Submit(request, time.Time{}, done); err != nil {
				t.Fatal(err)
			}
			_ = b.Close()
			wantIs(t, asError(t, <-ended), net.ErrClosed)
			if err := b.Submit(request, time.Time{}, done); !asError(t, err).SafeToRetry() || !errors.Is(err, net.ErrClosed) {
				t.Errorf("after Close: %v", err)
			}
		}
	})
}
