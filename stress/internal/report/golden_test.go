package report_test

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"kafkaio/stress/internal/hist"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/workload"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares with a file in testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s\n--- got\n%s\n--- want\n%s", path, got, want)
	}
}

// row has latencies of 1 ms, 2 ms, … for its successes.
func row(ok, failed, unanswered uint64, errors map[string]uint64) load.Row {
	r := load.Row{
		Counts:    load.Counts{Sent: ok + failed + unanswered, OK: ok, Failed: failed, Unanswered: unanswered},
		Errors:    errors,
		Latency:   hist.New(hist.Fine),
		BytesSent: 40 * (ok + failed + unanswered), BytesReceived: 4321 * ok,
	}
	for i := range ok {
		r.Latency.Record(time.Duration(i+1) * time.Millisecond)
	}
	return r
}

// troubled is a result in which all went wrong that can.
func troubled() *load.Result {
	errors := map[string]uint64{"timeout": 2, "kafka:NOT_LEADER_FOR_PARTITION": 1200}
	return &load.Result{
		Started: time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC),
		End:     load.EndInterrupted, Sending: 10 * time.Second, Drain: 1234 * time.Millisecond, Wanted: 9,
		Brokers: []load.BrokerRow{
			{Row: row(2000, 0, 0, nil), ID: 0, Addr: "127.0.0.1:9092", Opened: 3},
			{Row: row(12, 1202, 3, errors), ID: 1001, Addr: "broker-1001.example.org:9092", Opened: 2, Unopened: map[string]uint64{"refused": 1}, Died: map[string]uint64{"eof": 1, "reset": 1}},
			{Row: row(0, 0, 0, nil), ID: 2, Addr: "127.0.0.1:9094", Opened: 3},
		},
		APIs: []load.APIRow{
			{Row: row(2012, 0, 3, nil), API: workload.Metadata},
			{Row: row(0, 1202, 0, errors), API: workload.Produce},
		},
		Total: row(2012, 1202, 3, errors),
	}
}

// calm is a result without any trouble.
func calm() *load.Result {
	return &load.Result{
		Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600)),
		End:     load.EndDuration, Sending: time.Second, Wanted: 1,
		Brokers: []load.BrokerRow{{Row: row(500, 0, 0, nil), Addr: "127.0.0.1:9092", Opened: 1}},
		APIs:    []load.APIRow{{Row: row(500, 0, 0, nil), API: workload.ApiVersions}},
		Total:   row(500, 0, 0, nil),
	}
}
