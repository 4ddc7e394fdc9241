package report_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/internal/hist"
	"kafkaio/stress/internal/hold"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/report"
)

// held has latencies of 1 ms, 2 ms, … from the moment when requests were due, and of half of that from Submit.
func held(ok, failed uint64) *hold.Result {
	r := &hold.Result{
		Counts:  load.Counts{Sent: ok + failed, OK: ok, Failed: failed},
		Started: time.Date(2026, 1, 2, 3, 4, 5, 678_900_000, time.UTC),
		End:     load.EndDuration, Sending: 10 * time.Second, Drain: 250 * time.Millisecond, Every: 5 * time.Second,
		Brokers: 1000, Wanted: 10_000, Opened: 10_000, Connecting: 9870 * time.Millisecond,
		FromDue: hist.New(hist.Fine), FromSubmit: hist.New(hist.Fine), Least: 3, Most: 4,
		Before:       hold.Footprint{Resident: 10e6, Heap: 1e6, Stacks: 400_000, Goroutines: 8},
		Idle:         hold.Footprint{Resident: 45e6, Heap: 21e6, Stacks: 410_000, Goroutines: 8},
		Asked:        hold.Footprint{Resident: 47e6, Heap: 23e6, Stacks: 500_000, Goroutines: 9},
		PeakResident: 48e6, MedianGoroutines: 11, PeakGoroutines: 12, PeakDialling: 136, CPU: 500 * time.Millisecond, CPUKnown: true, Delay: 4 * time.Second,
		Gate: kio.DialStats{MaxRunning: 128}, Dials: 10_000,
	}
	for i := range ok {
		r.FromDue.Record(time.Duration(i+1) * time.Millisecond)
		r.FromSubmit.Record(time.Duration(i+1) * time.Millisecond / 2)
	}
	return r
}

// heldInTrouble is one in which all went wrong that can.
func heldInTrouble() *hold.Result {
	r := held(12, 1202)
	r.End, r.Opened, r.Disconnects, r.DialErrors = load.EndInterrupted, 9990, 1, 22
	r.Errors, r.Down = map[string]uint64{"timeout": 2, "refused": 1200}, map[string]uint64{"refused": 1}
	r.PeakResident, r.Before.Resident, r.Idle.Resident, r.Asked.Resident = 0, 0, 0, 0
	r.CPUKnown, r.Skipped, r.Delay = false, 7, 0
	return r
}

func TestHoldIsGolden(t *testing.T) {
	for name, r := range map[string]*hold.Result{"hold": held(2000, 0), "holdtrouble": heldInTrouble()} {
		var b strings.Builder
		if err := report.WriteHoldTable(&b, r); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", b.String())
		b.Reset()
		s := report.HoldSettings{Addrs: []string{}, Embedded: true, Brokers: 1000, Connections: 10_000, Every: 5, Duration: 10, Timeout: 5}
		if err := report.WriteHoldJSON(&b, s, r, 1); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".json", b.String())
	}
}

func TestHoldShowsABrokenLaw(t *testing.T) {
	r := held(5, 0)
	r.Sent++
	var b strings.Builder
	if err := errors.Join(report.WriteHoldTable(&b, r), report.WriteHoldJSON(&b, report.HoldSettings{}, r, 3)); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DOES NOT HOLD", "sent 6, but ok 5", `"holds": false`, `"exit_code": 3`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &b)
		}
	}
}

func TestHoldErrorsOfWritingSurface(t *testing.T) {
	if err := report.WriteHoldTable(full{}, held(1, 0)); !errors.Is(err, errFull) {
		t.Errorf("WriteHoldTable: %v, want %v", err, errFull)
	}
	if err := report.WriteHoldJSON(full{}, report.HoldSettings{}, held(1, 0), 0); !errors.Is(err, errFull) {
		t.Errorf("WriteHoldJSON: %v, want %v", err, errFull)
	}
}

func TestHoldLine(t *testing.T) {
	asking := hold.Progress{
		Phase: load.Sending, Open: 10_000, Wanted: 10_000, Pending: 2, Asking: 3040 * time.Millisecond, OK: 6083,
		P50: 812 * time.Microsecond, P99: 4 * time.Millisecond,
	}
	broken := asking
	broken.Open, broken.Errors = 9990, map[string]uint64{"refused": 12}
	for _, tt := range []struct {
		p        hold.Progress
		duration time.Duration
		want     string
	}{
		{hold.Progress{Open: 640, Wanted: 10_000}, 0, "connecting: 640 of 10,000"},
		{asking, time.Minute, "  3.0s of 60s   10,000 open   6,083 ok   p50 812µs   p99 4.00ms   no errors"},
		{broken, 0, "  3.0s   9,990 open   6,083 ok   p50 812µs   p99 4.00ms   errors: refused 12"},
		{hold.Progress{Phase: load.Draining, Pending: 1}, 0, "waiting for the last 1 answer"},
	} {
		if got := report.HoldLine(tt.p, tt.duration); got != tt.want {
			t.Errorf("HoldLine\n got %q\nwant %q", got, tt.want)
		}
	}
}
