package report_test

import (
	"strings"
	"testing"
	"time"

	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/report"
)

func TestLine(t *testing.T) {
	sending := load.Progress{
		Phase: load.Sending, Opened: 1000, Wanted: 1000, InFlight: 1000, Sending: 3040 * time.Millisecond,
		OK: 73083, Rate: 24361.4, P50: 38123 * time.Microsecond, P99: 91 * time.Millisecond,
	}
	broken := sending
	broken.Died, broken.Errors = 1, map[string]uint64{"eof": 1, "timeout": 1200}
	for _, tt := range []struct {
		p        load.Progress
		duration time.Duration
		want     string
	}{
		{load.Progress{Opened: 640, Wanted: 1000}, 0, "connecting: 640 of 1,000"},
		{load.Progress{Opened: 640, Wanted: 1000, Unopened: 12}, 0, "connecting: 640 of 1,000, 12 failed"},
		{sending, 10 * time.Second, "  3.0s of 10s    24,361 ok/s   1,000 in flight   p50 38.1ms  p99 91.0ms   no errors"},
		{broken, 0, "  3.0s    24,361 ok/s   1,000 in flight   p50 38.1ms  p99 91.0ms   1 connection died   errors: timeout 1,200; eof 1"},
		{load.Progress{Phase: load.Draining, InFlight: 1}, time.Second, "waiting for the last 1 answer"},
		{load.Progress{Phase: load.Draining, InFlight: 12}, time.Second, "waiting for the last 12 answers"},
	} {
		if got := report.Line(tt.p, tt.duration); got != tt.want {
			t.Errorf("Line\n got %q\nwant %q", got, tt.want)
		}
	}
}

func TestLive(t *testing.T) {
	for _, tt := range []struct {
		name  string
		style report.Style
		width int
		want  string
	}{
		{"silent", report.Silent, 0, "note 1\n"},
		{"plain", report.Plain, 10, "0123456789\nµµµ\nnote 1\n"},
		{"redraw", report.Redraw, 0, "\r\x1b[K0123456789\r\x1b[Kµµµ\r\x1b[Knote 1\n"},
		{"narrow", report.Redraw, 6, "\r\x1b[K0123…\r\x1b[Kµµµ\r\x1b[Knote 1\n"},
		{"exact", report.Redraw, 11, "\r\x1b[K0123456789\r\x1b[Kµµµ\r\x1b[Knote 1\n"},
	} {
		var b strings.Builder
		l := report.NewLive(&b, tt.style, func() int { return tt.width })
		l.Show("0123456789")
		l.Show("µµµ")
		l.Note("note %d", 1)
		l.Clear() // nothing is drawn any more
		if got := b.String(); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}
