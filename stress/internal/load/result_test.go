package load_test

import (
	"strings"
	"testing"

	"kafkaio/stress/internal/load"
)

func TestCountsCheck(t *testing.T) {
	for _, tt := range []struct {
		counts load.Counts
		want   string // of the error; empty is none
	}{
		{load.Counts{}, ""},
		{load.Counts{Sent: 10, OK: 7, Failed: 2, Unanswered: 1}, ""},
		{load.Counts{Sent: 10, OK: 7, Failed: 2}, "sent 10, but ok 7 + failed 2 + unanswered 0 is 9"},
		{load.Counts{Sent: 1, OK: 1, Failed: 1}, "sent 1, but ok 1 + failed 1 + unanswered 0 is 2"},
	} {
		expect(t, tt.counts.Check(), tt.want)
	}
}

func TestResultCheckLooksAtEachPart(t *testing.T) {
	good := load.Row{Counts: load.Counts{Sent: 2, OK: 1, Failed: 1}}
	bad := load.Row{Counts: load.Counts{Sent: 2, OK: 1}}
	for _, tt := range []struct {
		result load.Result
		want   string
	}{
		{load.Result{Total: good, Brokers: []load.BrokerRow{{Row: good}}, APIs: []load.APIRow{{Row: good}}}, ""},
		{load.Result{Total: bad}, "sent 2"},
		{load.Result{Total: good, Brokers: []load.BrokerRow{{Row: good}, {Row: bad, ID: 7}}}, "broker 7: sent 2"},
		{load.Result{Total: good, APIs: []load.APIRow{{Row: bad}}}, "apiversions: sent 2"},
		{load.Result{Total: good, Surplus: 3}, "3 requests ended more than once"},
	} {
		expect(t, tt.result.Check(), tt.want)
	}
}

func TestClean(t *testing.T) {
	for _, tt := range []struct {
		name   string
		result load.Result
		want   bool
	}{
		{"all ok", load.Result{Total: load.Row{Counts: load.Counts{Sent: 1, OK: 1}}}, true},
		{"failed", load.Result{Total: load.Row{Counts: load.Counts{Failed: 1}}}, false},
		{"unanswered", load.Result{Total: load.Row{Counts: load.Counts{Unanswered: 1}}}, false},
		{"died", load.Result{Brokers: []load.BrokerRow{{Died: map[string]uint64{"eof": 1}}}}, false},
		{"unopened", load.Result{Brokers: []load.BrokerRow{{}, {Unopened: map[string]uint64{"refused": 1}}}}, false},
	} {
		if got := tt.result.Clean(); got != tt.want {
			t.Errorf("%s: Clean() = %t, want %t", tt.name, got, tt.want)
		}
	}
}

func expect(t *testing.T, err error, want string) {
	t.Helper()
	if want == "" && err != nil {
		t.Errorf("%v; want no error", err)
	}
	if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
		t.Errorf("%v; want %q", err, want)
	}
}
