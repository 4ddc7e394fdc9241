package embedded_test

import (
	"context"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/internal/leak"
	"kafkaio/kio"
	"kafkaio/stress/internal/embedded"
	"kafkaio/stress/internal/workload"
)

func TestClusterSharesPartitionsEvenly(t *testing.T) {
	leak.Check(t)
	engine, err := kio.NewEngine(kio.EngineConfig{})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	c, err := embedded.Start(embedded.Config{Brokers: 3, Topic: "t", Partitions: 12, Batch: workload.RecordBatch(time.Now(), []byte("v"))})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := len(c.Addrs()); got != 3 {
		t.Fatalf("%d addresses, want 3", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := kio.DialBroker(ctx, c.Addrs()[0], kio.Config{Engine: engine})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := kmsg.NewPtrMetadataRequest()
	r.SetVersion(9)
	m, err := r.RequestWith(ctx, b)
	if err != nil {
		t.Fatal(err)
	}
	leads := make(map[int32]int)
	for _, p := range m.Topics[0].Partitions {
		leads[p.Leader]++
	}
	if len(leads) != 3 || leads[0] != 4 || leads[1] != 4 || leads[2] != 4 {
		t.Errorf("partitions led by each broker: %v, want 4 each", leads)
	}
}
