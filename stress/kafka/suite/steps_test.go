package suite_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

func TestEachDoorLeadsToABrokerThatAnswers(t *testing.T) {
	throughDoors(t, doors, func(t *testing.T, d door, cfg kio.Config) {
		b := d.dial(t, cfg)
		versions, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if err := kerr.ErrorForCode(versions.ErrorCode); err != nil || len(versions.ApiKeys) < 30 {
			t.Errorf("ApiVersions: %v, %d APIs; want those of a broker", err, len(versions.ApiKeys))
		}

		r := kmsg.NewPtrMetadataRequest()
		r.Topics = []kmsg.MetadataRequestTopic{}
		m, err := r.RequestWith(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		if state.Owned() && len(m.Brokers) != len(state.Nodes) {
			t.Errorf("Metadata has %d brokers, want %d", len(m.Brokers), len(state.Nodes))
		}
		// Brokers advertise the listener that they were asked on.
		for _, broker := range m.Brokers {
			if !state.Owned() {
				break
			}
			n, err := state.Node(broker.NodeID)
			if err != nil {
				t.Fatal(err)
			}
			if got := net.JoinHostPort(broker.Host, strconv.Itoa(int(broker.Port))); got != n.Listeners[d.listener] {
				t.Errorf("broker %d advertises %s, want %s", broker.NodeID, got, n.Listeners[d.listener])
			}
		}
	})
}
