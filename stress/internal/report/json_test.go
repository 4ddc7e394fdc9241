package report_test

import (
	"strings"
	"testing"

	"kafkaio/stress/internal/report"
)

func TestJSONIsGolden(t *testing.T) {
	s := report.Settings{
		Brokers: []string{"127.0.0.1:9092"}, Connections: 9, InFlight: 1, Duration: 60, Timeout: 5,
		Workload: "metadata=1,produce=1", Topic: "t", RecordBytes: 100, FetchBytes: 4096, Seed: 7,
	}
	var b strings.Builder
	if err := report.WriteJSON(&b, s, troubled(), 1); err != nil {
		t.Fatal(err)
	}
	golden(t, "troubled.json", b.String())
}

func TestJSONTellsOfABrokenLaw(t *testing.T) {
	r := calm()
	r.Brokers[0].OK--
	var b strings.Builder
	if err := report.WriteJSON(&b, report.Settings{}, r, 3); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"holds": false`, `"reason": "broker 0: sent 500, but`, `"exit_code": 3`} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s is missing in\n%s", want, b.String())
		}
	}
}
