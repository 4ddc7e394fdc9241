package report_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/internal/report"
)

func TestTableIsGolden(t *testing.T) {
	var b strings.Builder
	if err := report.WriteTable(&b, troubled()); err != nil {
		t.Fatal(err)
	}
	golden(t, "troubled.txt", b.String())
	b.Reset()
	if err := report.WriteTable(&b, calm()); err != nil {
		t.Fatal(err)
	}
	golden(t, "calm.txt", b.String())
}

func TestTableShowsABrokenLaw(t *testing.T) {
	r := calm()
	r.Total.Sent++
	r.Total.Latency.Record(time.Hour)
	var b strings.Builder
	if err := report.WriteTable(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"DOES NOT HOLD", "sent 501, but ok 500", "1 answer took longer than 60s"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, b.String())
		}
	}
}

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestErrorsOfWritingSurface(t *testing.T) {
	if err := report.WriteTable(full{}, troubled()); !errors.Is(err, errFull) {
		t.Errorf("WriteTable: %v, want %v", err, errFull)
	}
	if err := report.WriteJSON(full{}, report.Settings{}, troubled(), 0); !errors.Is(err, errFull) {
		t.Errorf("WriteJSON: %v, want %v", err, errFull)
	}
	l := report.NewLive(full{}, report.Plain, nil)
	l.Show("line")
	if err := l.Err(); !errors.Is(err, errFull) {
		t.Errorf("Live: %v, want %v", err, errFull)
	}
}
