package suite_test

import (
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

// onIdleDoors runs a test that waits for idle times on each driver, all at the same time.
func onIdleDoors(t *testing.T, test func(t *testing.T, d door, cfg kio.Config, idle time.Duration)) {
	t.Helper()
	t.Parallel()
	if state != nil && state.Idle.Duration == 0 {
		t.Skip("the state does not say after which idle time brokers close a connection")
	}
	for _, d := range mainDoors {
		for _, driver := range []kio.Driver{kio.DriverGnet, kio.DriverEpoll} {
			t.Run(d.String()+"/"+driver.String(), func(t *testing.T) {
				t.Parallel()
				need(t, d.listener)
				test(t, d, configOn(t, driver), state.Idle.Duration)
			})
		}
	}
}

// TestHeldConnectionsComeBack: brokers close what is idle, and a Cluster that holds connections open opens them again without being asked.
func TestHeldConnectionsComeBack(t *testing.T) {
	onIdleDoors(t, func(t *testing.T, d door, cfg kio.Config, idle time.Duration) {
		cfg.Cluster.HoldOpen = 1
		c := openCluster(t, d, cfg)
		nodes := len(c.Nodes())
		allOpen := func() bool { return c.Stats().Connected == nodes }
		eventually(t, "each node has a connection", patience, allOpen)
		eventually(t, "the brokers have closed them", 2*idle+patience, func() bool { return c.Stats().Disconnects >= uint64(nodes) })
		eventually(t, "each node has a connection again", patience, allOpen)
		for _, n := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
			if n.Err != nil {
				t.Errorf("node %d: %v", n.Node.ID, n.Err)
			}
		}
		if s := c.Stats(); s.Reaped != 0 || s.DialErrors != 0 {
			t.Errorf("%d connections were closed as unused and %d attempts failed, want none", s.Reaped, s.DialErrors)
		}
	})
}

// TestUnusedConnectionsAreClosedBeforeTheBrokerDoes: then no request meets a connection that is about to end, and the next one opens a new one.
func TestUnusedConnectionsAreClosedBeforeTheBrokerDoes(t *testing.T) {
	onIdleDoors(t, func(t *testing.T, d door, cfg kio.Config, idle time.Duration) {
		cfg.Cluster.IdleTimeout = idle / 2
		c := openCluster(t, d, cfg)
		askAll := func() {
			t.Helper()
			for _, n := range c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest()) {
				if n.Err != nil {
					t.Errorf("node %d: %v", n.Node.ID, n.Err)
				}
			}
		}
		askAll()
		eventually(t, "no connection is open", 2*idle+patience, func() bool { return c.Stats().Conns == 0 })
		if s := c.Stats(); s.Disconnects != 0 || s.Reaped < uint64(len(s.Nodes)) {
			t.Errorf("%d connections ended by themselves and %d as unused, want none and one a node", s.Disconnects, s.Reaped)
		}
		askAll()
	})
}
