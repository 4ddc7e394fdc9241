package suite_test

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

// TestTheEndOfAnIdleConnectionIsNoticed leaves connections alone until the broker's own reaper closes them. Nobody reads or writes on them then, and yet
// they are known to be over, so that the next request is not sent into the void.
func TestTheEndOfAnIdleConnectionIsNoticed(t *testing.T) {
	t.Parallel()
	if state != nil && state.Idle.Duration == 0 {
		t.Skip("the state does not say after which idle time brokers close a connection")
	}
	for _, d := range mainDoors {
		for _, driver := range []kio.Driver{kio.DriverGnet, kio.DriverEpoll} {
			t.Run(d.String()+"/"+driver.String(), func(t *testing.T) {
				t.Parallel()
				need(t, d.listener)
				reaped(t, d, configOn(t, driver))
			})
		}
	}
}

func reaped(t *testing.T, d door, cfg kio.Config) {
	t.Helper()
	b := d.dial(t, cfg)
	if _, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	idle := state.Idle.Duration
	select {
	case <-b.Done():
	case <-time.After(2*idle + patience):
		t.Fatalf("the connection is %s after %v, want it closed after about %v", b.Stats().State, time.Since(began), idle)
	}
	if took := time.Since(began); took < idle/2 {
		t.Errorf("the connection ended after %v, before its idle time of %v", took, idle)
	}
	if err := b.Err(); !errors.Is(err, io.EOF) {
		t.Errorf("Err = %v, want the broker's end, io.EOF", err)
	}
	_, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), b)
	e := asError(t, err)
	if e.Code != kio.CodeNoConnection || !e.SafeToRetry() {
		t.Errorf("the next request: %v (code %d, safe to retry %t), want code %d, safe to retry", err, e.Code, e.SafeToRetry(), kio.CodeNoConnection)
	}
	if errors.Is(err, net.ErrClosed) {
		t.Errorf("%v matches net.ErrClosed, though this side has not closed it", err)
	}
}
