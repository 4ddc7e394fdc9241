package kioprom_test

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/kio/kioprom"
)

func TestEngineCollectorSaysWhatStatsSay(t *testing.T) {
	cfg := config(t)
	f := brokers(t, kfake.NumBrokers(3))
	c := open(t, f.ListenAddrs(), cfg)
	c.Each(t.Context(), kmsg.NewPtrApiVersionsRequest())
	eventually(t, "all writes are counted, which their answers may overtake", func() bool { return c.Stats().Totals.PendingBytes == 0 })
	s, d := cfg.Engine.Stats(), cfg.Engine.DialStats()
	got := register(t, kioprom.NewEngineCollector(cfg.Engine, prometheus.Labels{"engine": "own"})).gather(t)
	for key, v := range map[string]float64{
		"info driver=" + cfg.Engine.Driver().String() + " engine=own": 1,
		"loops engine=own":                           1,
		"connections engine=own":                     3,
		"connections_opened_total engine=own":        float64(s.Totals.Conns),
		"requests_total engine=own":                  float64(s.Totals.Requests),
		"sent_bytes_total engine=own":                float64(s.Totals.BytesSent),
		"request_errors_total class=peer engine=own": 0,
		"receiving_bytes engine=own":                 0,
		"receiving_limit_bytes engine=own":           kio.DefaultMaxReceivingBytes,
		"sending_bytes engine=own":                   0,
		"sending_limit_bytes engine=own":             kio.DefaultMaxSendingBytes,
		"paused_connections engine=own":              0,
		"pauses_total engine=own":                    0,
		"waiting_connections engine=own":             0,
		"sending_waits_total engine=own":             0,
		"dials_running engine=own":                   float64(d.Running),
		"dials_running_max engine=own":               float64(d.MaxRunning),
		"dials_waiting engine=own":                   0,
		"dials_total engine=own":                     float64(d.Started),
	} {
		got.want(t, map[string]float64{"kafkaio_engine_" + key: v})
	}
	if d.Started < 3 {
		t.Errorf("%d attempts to connect, want 3 at least", d.Started)
	}
	_ = got.value(t, "kafkaio_engine_poll_seconds_total engine=own outcome=hit")
	_ = got.value(t, "kafkaio_engine_poll_seconds_total engine=own outcome=miss")
}

// A budget without a bound has no series, rather than a negative one.
func TestBudgetsWithoutBound(t *testing.T) {
	_ = config(t)
	e, err := kio.NewEngine(kio.EngineConfig{MaxReceivingBytes: -1, MaxSendingBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	got := register(t, kioprom.NewEngineCollector(e, nil)).gather(t)
	for _, key := range []string{"kafkaio_engine_receiving_limit_bytes", "kafkaio_engine_sending_limit_bytes"} {
		if m := got[key]; m != nil {
			t.Errorf("%s is %v", key, m)
		}
	}
}

func TestBrokerCollectorSaysWhatStatsSay(t *testing.T) {
	cfg := config(t)
	addr := brokers(t, kfake.NumBrokers(1)).ListenAddrs()[0]
	var collectors []prometheus.Collector
	var dialled []*kio.Broker
	for _, name := range []string{"a", "b"} {
		b, err := kio.DialBroker(t.Context(), addr, cfg)
		if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		dialled = append(dialled, b)
		collectors = append(collectors, kioprom.NewBrokerCollector(b, prometheus.Labels{"use": name}))
	}
	r := register(t, collectors...)
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), dialled[0]); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the write is counted, which its answer may overtake", func() bool { return dialled[0].Stats().PendingBytes == 0 })
	s, got := dialled[0].Stats(), r.gather(t)
	for key, v := range map[string]float64{
		"connected": 1, "requests_total": 2, "answers_total": 2, "sent_bytes_total": float64(s.BytesSent), "received_bytes_total": float64(s.BytesRead),
		"throttled_seconds_total": 0, "in_flight_requests": 0,
	} {
		got.want(t, map[string]float64{"kafkaio_broker_" + key + " address=" + addr + " use=a": v})
	}
	if s.RTT > 0 {
		_ = got.value(t, "kafkaio_broker_round_trip_seconds address="+addr+" use=a")
	}
	got.want(t, map[string]float64{"kafkaio_broker_requests_total address=" + addr + " use=b": 1})
	_ = dialled[0].Close()
	if _, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), dialled[0]); err == nil {
		t.Error("a closed connection has answered")
	}
	got = r.gather(t)
	got.want(t, map[string]float64{
		"kafkaio_broker_connected address=" + addr + " use=a":                                0,
		"kafkaio_broker_request_errors_total address=" + addr + " class=no connection use=a": 1,
	})
}
