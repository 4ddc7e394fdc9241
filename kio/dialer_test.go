package kio_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// A client of somebody else's on our event loops.
func TestFranzGoOverDialer(t *testing.T) {
	cfg := config(t)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.SeedTopics(3, "events"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	d := &kio.Dialer{Config: cfg}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(cluster.ListenAddrs()...),
		kgo.Dialer(d.DialContext),
		kgo.ConsumeTopics("events"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100*time.Millisecond),
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	const records = 1000
	batch := make([]*kgo.Record, records)
	for i := range batch {
		batch[i] = &kgo.Record{Topic: "events", Value: fmt.Appendf(nil, "event %d", i)}
	}
	if err := client.ProduceSync(ctx, batch...).FirstErr(); err != nil {
		t.Fatalf("produce: %v", err)
	}
	got := make(map[string]int)
	for n := 0; n < records; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("fetch after %d records: %v", n, err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			got[string(r.Value)]++
			n++
		})
	}
	for i := range records {
		if v := fmt.Sprintf("event %d", i); got[v] != 1 {
			t.Errorf("%q came %d times, want once", v, got[v])
		}
	}
	if cfg.Engine.Conns() == 0 {
		t.Error("no connection is on the engine: the client has used another dialer")
	}
}

func TestDialerNetworks(t *testing.T) {
	cfg := config(t)
	b := hostile.Listen(t, hostile.Echo)
	path := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	for _, tt := range []struct {
		network, address string
		version          kio.IPVersion
		code             kio.Code // 0: connects
	}{
		{"tcp", b.Addr(), kio.IPAny, 0},
		{"tcp4", b.Addr(), kio.IPAny, 0},
		{"tcp4", b.Addr(), kio.IPv4, 0},
		{"tcp", b.Addr(), kio.IPv6, kio.CodeIPVersion},
		{"tcp6", b.Addr(), kio.IPAny, kio.CodeIPVersion},
		{"tcp4", b.Addr(), kio.IPv6, kio.CodeIPVersion},
		{"tcp6", b.Addr(), kio.IPv4, kio.CodeIPVersion},
		{"unix", path, kio.IPAny, 0},
		{"unix", path, kio.IPv6, 0},
		{"unix", "", kio.IPAny, kio.CodeInvalidArgument},
		{"udp", b.Addr(), kio.IPAny, kio.CodeInvalidArgument},
		{"", b.Addr(), kio.IPAny, kio.CodeInvalidArgument},
		{"tcp", "", kio.IPAny, kio.CodeInvalidArgument},
	} {
		cfg.IPVersion = tt.version
		d := kio.Dialer{Config: cfg}
		c, err := d.DialContext(t.Context(), tt.network, tt.address)
		if tt.code != 0 {
			if c != nil || err == nil {
				t.Errorf("DialContext(%q, %q), version %d: %v, %v; want a nil net.Conn and an error", tt.network, tt.address, tt.version, c, err)
				continue
			}
			wantCode(t, err, tt.code)
			continue
		}
		if err != nil {
			t.Errorf("DialContext(%q, %q), version %d: %v, want a connection", tt.network, tt.address, tt.version, err)
			continue
		}
		_ = c.Close()
	}
	cfg.IPVersion = kio.IPAny
	c, err := (&kio.Dialer{Config: cfg}).Dial("tcp", b.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "ping"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
		t.Errorf("read %q, %v; want ping", got, err)
	}
}
