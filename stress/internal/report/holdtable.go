package report

import (
	"fmt"
	"io"
	"strings"
	"time"

	"kafkaio/stress/internal/hist"
	"kafkaio/stress/internal/hold"
	"kafkaio/stress/internal/load"
)

// unknown stands for what the system does not tell.
const unknown = "-"

// WriteHoldTable writes a result for people. The error is that of writing.
func WriteHoldTable(w io.Writer, r *hold.Result) error {
	b := new(strings.Builder)
	fmt.Fprintf(b, "%s\n", holdSummary(r))
	fmt.Fprintf(b, "%s open after %s; %s to connect, at most %s at a time, %s failed.\n\n",
		holdOpened(r), seconds(r.Connecting), Count(int(r.Dials), "attempt"), number(r.Gate.MaxRunning), number(r.DialErrors))
	writeColumns(b, footprints(r))
	b.WriteString("\n")
	writeColumns(b, [][]string{
		{"round trip", "ok", "p50", "p90", "p99", "p99.9", "max"},
		quantiles("from the moment due", r.FromDue),
		quantiles("from Submit", r.FromSubmit),
	})
	b.WriteString("\n")
	resident, memory := r.PerConnection()
	each := unknown
	if r.Idle.Resident > 0 {
		each = bytes(uint64(max(resident, 0)))
	}
	fmt.Fprintf(b, "a connection: %s resident, %s of heap and stacks, %.3g goroutines a broker\n",
		each, bytes(uint64(max(memory, 0))), r.GoroutinesPerBroker())
	if r.CPUKnown {
		fmt.Fprintf(b, "processor: %.3f cores while asking, %s a request\n", r.Cores(), latency(r.PerRequest()))
	}
	if r.Delay > 0 {
		fmt.Fprintf(b, "waiting for a processor: %s in each second of asking, all threads together\n", latency(time.Duration(r.Starved()*float64(time.Second))))
	}
	fmt.Fprintf(b, "requests on each connection open at the end: %s to %s, with the one that opens it\n", number(r.Least), number(r.Most))
	if r.Skipped > 0 {
		fmt.Fprintf(b, "requests that were due and not sent, as this process could not keep up: %s\n", number(r.Skipped))
	}
	if r.Disconnects > 0 {
		fmt.Fprintf(b, "connections that ended by themselves: %s\n", number(r.Disconnects))
	}
	if text := classes(r.Down); text != "" {
		fmt.Fprintf(b, "brokers without a connection at the end: %s\n", text)
	}
	if text := classes(r.Errors); text != "" {
		fmt.Fprintf(b, "errors: %s\n", text)
	}
	writeLaw(b, r.Counts, r.Check())
	_, err := io.WriteString(w, b.String())
	return err
}

// writeLaw writes whether sent = ok + failed + unanswered.
func writeLaw(b *strings.Builder, c load.Counts, broken error) {
	fmt.Fprintf(b, "sent %s = ok %s + failed %s + unanswered %s", number(c.Sent), number(c.OK), number(c.Failed), number(c.Unanswered))
	if broken != nil {
		fmt.Fprintf(b, ": DOES NOT HOLD, by a fault of this program or of the library: %v\n", broken)
	} else {
		b.WriteString(": holds\n")
	}
}

// holdSummary is a sentence on what was done.
func holdSummary(r *hold.Result) string {
	why := ""
	if r.End == load.EndInterrupted {
		why = " until it was interrupted"
	}
	return fmt.Sprintf("%s to %s, each asked every %v: %s of asking%s, %s for the last answers.",
		Count(r.Opened, "connection"), Count(r.Brokers, "broker"), r.Every, seconds(r.Sending), why, seconds(r.Drain))
}

func holdOpened(r *hold.Result) string {
	if r.Opened == r.Wanted {
		return "All"
	}
	return fmt.Sprintf("%s of %s", number(r.Opened), number(r.Wanted))
}

// footprints are the lines on what the process takes.
func footprints(r *hold.Result) [][]string {
	size := func(n uint64) string {
		if n == 0 {
			return unknown
		}
		return bytes(n)
	}
	line := func(name string, f hold.Footprint) []string {
		return []string{name, size(f.Resident), bytes(f.Heap), bytes(f.Stacks), number(f.Goroutines)}
	}
	return [][]string{
		{"process", "resident", "heap", "stacks", "goroutines"},
		line("before", r.Before),
		{"connecting, at most", "", "", "", number(r.PeakDialling)},
		line("all open", r.Idle),
		{"asking, median", "", "", "", number(r.MedianGoroutines)},
		{"asking, at most", size(r.PeakResident), "", "", number(r.PeakGoroutines)},
		line("end of asking", r.Asked),
	}
}

// quantiles is a line of latencies.
func quantiles(name string, h *hist.Histogram) []string {
	return []string{
		name, number(h.Count()), latency(h.Quantile(0.5)), latency(h.Quantile(0.9)), latency(h.Quantile(0.99)), latency(h.Quantile(0.999)), latency(h.Max()),
	}
}

// HoldLine describes progress in a line. duration is that of asking; 0 is without end.
func HoldLine(p hold.Progress, duration time.Duration) string {
	switch p.Phase {
	case load.Connecting:
		return fmt.Sprintf("connecting: %s of %s", number(p.Open), number(p.Wanted))
	case load.Sending:
	default:
		return fmt.Sprintf("waiting for the last %s", Count(p.Pending, "answer"))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%5.1fs", p.Asking.Seconds())
	if duration > 0 {
		fmt.Fprintf(&b, " of %gs", duration.Seconds())
	}
	fmt.Fprintf(&b, "   %s open   %s ok   p50 %-6s  p99 %-6s", number(p.Open), number(p.OK), latency(p.P50), latency(p.P99))
	if errors := classes(p.Errors); errors != "" {
		fmt.Fprintf(&b, "   errors: %s", errors)
	} else {
		b.WriteString("   no errors")
	}
	return b.String()
}
