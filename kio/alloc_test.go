//go:build !race

package kio_test

import (
	"testing"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// The race detector allocates on its own account, so that this runs without it.
func TestSendAndReceiveAllocateTheMessageOnly(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		c := dialScript(t, cfg, hostile.Echo)
		message := random(100)
		got := testing.AllocsPerRun(200, func() {
			if _, err := c.Send(message, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Receive(len(message), 0); err != nil {
				t.Fatal(err)
			}
		})
		if got > 1 {
			t.Errorf("Send and Receive allocate %v times, want once: the message that the caller keeps", got)
		}
	})
}
