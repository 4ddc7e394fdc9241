package report

import (
	"fmt"
	"io"
	"strings"
	"time"
	"unicode/utf8"

	"kafkaio/stress/internal/load"
)

// noErrors stands in the last column where nothing failed.
const noErrors = "none"

// WriteTable writes a result for people. The error is that of writing.
func WriteTable(w io.Writer, r *load.Result) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s\n\n", summary(r))
	for _, p := range []part{latencies, traffic} {
		rows := [][]string{p.header}
		for _, row := range r.Brokers {
			rows = append(rows, p.line(fmt.Sprintf("%d %s", row.ID, row.Addr), row.Row, r.Sending))
		}
		rows = append(rows, p.line("all", r.Total, r.Sending))
		for _, row := range r.APIs {
			rows = append(rows, p.line(row.API.String(), row.Row, r.Sending))
		}
		writeColumns(b, rows)
		b.WriteString("\n")
	}
	if over := r.Total.Latency.OverRange(); over > 0 {
		fmt.Fprintf(b, "%s took longer than 60s: quantiles among them are given as the maximum.\n\n", Count(int(over), "answer"))
	}
	writeConnections(b, r)
	writeLaw(b, r.Total.Counts, r.Check())
	_, err := io.WriteString(w, b.String())
	return err
}

// summary is a sentence on what was done.
func summary(r *load.Result) string {
	var why string
	switch r.End {
	case load.EndInterrupted:
		why = " until it was interrupted"
	case load.EndDied:
		why = " until all connections had died"
	case load.EndDuration, load.EndNotBegun:
	}
	return fmt.Sprintf("%s to %s, %s of sending%s, %s for the last answers.",
		Count(r.Opened(), "connection"), Count(len(r.Brokers), "broker"), seconds(r.Sending), why, seconds(r.Drain))
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

// part is a group of columns. They are shown one below the other, as all of them together are too wide for many terminals.
type part struct {
	header []string
	cells  func(r load.Row, sending time.Duration) []string // without the first, which is the name
}

func (p part) line(name string, r load.Row, sending time.Duration) []string {
	return append([]string{name}, p.cells(r, sending)...)
}

var latencies = part{
	header: []string{"latency", "requests", "ok/s", "p50", "p90", "p99", "p99.9", "max"},
	cells: func(r load.Row, sending time.Duration) []string {
		h := r.Latency
		return []string{
			number(r.Sent), number(int64(rate(r, sending))), latency(h.Quantile(0.5)), latency(h.Quantile(0.9)), latency(h.Quantile(0.99)),
			latency(h.Quantile(0.999)), latency(h.Max()),
		}
	},
}

var traffic = part{
	header: []string{"traffic", "bytes out", "bytes in", "ok", "failed", "unanswered", "errors"},
	cells: func(r load.Row, _ time.Duration) []string {
		errors := classes(r.Errors)
		if errors == "" {
			errors = noErrors
		}
		return []string{bytes(r.BytesSent), bytes(r.BytesReceived), number(r.OK), number(r.Failed), number(r.Unanswered), errors}
	},
}

// rate is successes per second of sending.
func rate(r load.Row, sending time.Duration) float64 {
	if sending <= 0 {
		return 0
	}
	return float64(r.OK) / sending.Seconds()
}

// writeColumns aligns the first column and the text of errors left, the others right.
func writeColumns(b *strings.Builder, rows [][]string) {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			switch {
			case i == 0:
				line.WriteString(cell + pad)
			case rows[0][i] == "errors":
				line.WriteString("  " + cell)
			default:
				line.WriteString("  " + pad + cell)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// writeConnections tells of connections that did not work, broker by broker.
func writeConnections(b *strings.Builder, r *load.Result) {
	var lines []string
	for _, row := range r.Brokers {
		if len(row.Unopened) > 0 {
			lines = append(lines, fmt.Sprintf("connections to broker %d that could not be opened: %s", row.ID, classes(row.Unopened)))
		}
		if len(row.Died) > 0 {
			lines = append(lines, fmt.Sprintf("connections to broker %d that died: %s", row.ID, classes(row.Died)))
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(b, "%s\n\n", strings.Join(lines, "\n"))
	}
}
