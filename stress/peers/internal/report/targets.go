package report

import (
	"fmt"

	"kafkaio/stress/peers/internal/work"
)

// Target is a bound that our client must keep.
type Target struct {
	Group  string
	Mode   string // "" is pinned
	Work   string
	Metric work.Metric
	Ours   string

	// Of are the peers whose best median is multiplied by Bound; none:
	// Bound is absolute. Where more is better the figure must be at least
	// that, otherwise at most.
	Of    []string
	Bound float64
}

// Modes of a run.
const (
	Pinned   = "pinned"
	Unpinned = "unpinned"
)

// Groups of targets.
const (
	core   = "core"
	driver = "epoll driver"
	secure = "TLS"
	many   = "many brokers"
)

// zero is how much of something that must not be there may be seen: the
// runtime allocates a little on its own while a window is open, and the
// heap is counted in spans.
const zero = 0.02

// Targets lists every bound.
var Targets = []Target{
	{core, "", "conn1-callers64", work.Rate, work.Ours, work.Clients, 5},
	{core, "", "conn1-callers256", work.Rate, work.Ours, work.Clients, 8},
	{core, "", "conns256-submit", work.CPU, work.Ours, []string{work.NetConn}, 0.85},
	{core, "", "conns4000-submit", work.CPU, work.Ours, []string{work.NetConn}, 0.85},
	{core, "", "conns256-rt", work.CPU, work.Ours, []string{work.NetConn}, 1},
	{core, "", "conns4000-rt", work.CPU, work.Ours, []string{work.NetConn}, 1},
	{core, "", "rtt-1", work.P50, work.Ours, []string{work.NetConn}, 1.1},
	{core, "", "idle10000", work.Memory, work.Ours, nil, 1.2},
	{core, "", "idle10000", work.Routine, work.Ours, nil, zero},
	{core, "", "alloc-submit", work.Allocs, work.Ours, nil, 0 + zero},
	{core, "", "alloc-rt", work.Allocs, work.Ours, nil, 1 + zero},

	{driver, "", "rtt-1", work.P50, work.OursBusy, []string{work.CSpin}, 1.15},
	{driver, "", "rtt-1", work.P50, work.OursBusy, []string{work.NetConn}, 0.4},
	{driver, "", "rtt-1", work.P50, work.Ours, []string{work.OursBusy}, 1.25},
	{driver, "", "rtt-1", work.P50, work.OursNever, []string{work.NetConn}, 1},
	{driver, "", "rtt-1", work.P99, work.OursNever, []string{work.NetConn}, 1},
	{driver, "", "conns256-submit", work.CPU, work.Ours, []string{work.CEpollMany}, 1.03},
	{driver, "", "conns4000-submit", work.CPU, work.Ours, []string{work.CEpollMany}, 1.05},
	{driver, "", "conns256-rt", work.CPU, work.Ours, []string{work.CEpollMany}, 1.35},
	{driver, "", "conns4000-rt", work.CPU, work.Ours, []string{work.CEpollMany}, 1.35},
	{driver, "", "conns256-rt", work.CPU, work.Ours, []string{work.NetConn}, 1},
	{driver, "", "conns4000-rt", work.CPU, work.Ours, []string{work.NetConn}, 1},
	{driver, "", "conn1-callers16", work.Rate, work.OursBusy, []string{work.CEpollPipe}, 1},
	{driver, "", "conn1-callers64", work.Rate, work.OursBusy, []string{work.CEpollPipe}, 1},
	{driver, "", "conn1-callers256", work.Rate, work.OursBusy, []string{work.CEpollPipe}, 1},
	{driver, "", "conn1-callers16", work.Rate, work.Ours, []string{work.CEpollPipe}, 1},
	{driver, "", "conn1-callers64", work.Rate, work.Ours, []string{work.CEpollPipe}, 1},
	{driver, "", "conn1-callers256", work.Rate, work.Ours, []string{work.CEpollPipe}, 1},
	{driver, "", "conn1-callers64", work.Rate, work.OursBusy, work.Clients, 10},
	{driver, "", "conn1-callers64", work.Rate, work.Ours, work.Clients, 10},
	{driver, "", "large1m-submit", work.CPUMiB, work.Ours, []string{work.CRawRead}, 1.1},
	{driver, "", "large1m-rt", work.CPUMiB, work.Ours, []string{work.CRawRead}, 1.1},
	{driver, "", "idle10000", work.Memory, work.Ours, nil, 1.0},
	{driver, "", "idle10000", work.RSS, work.Ours, nil, 1.5},

	// A polling loop must not cost throughput where it shares the
	// processors with callers and broker; 5 % for the noise of that mode.
	{driver, Unpinned, "conn1-callers64", work.Rate, work.OursBusy, []string{work.OursNever}, 0.95},
	{driver, Unpinned, "conn1-callers256", work.Rate, work.OursBusy, []string{work.OursNever}, 0.95},
	{driver, Unpinned, "conn1-callers64", work.Rate, work.Ours, []string{work.OursNever}, 0.95},
	{driver, Unpinned, "conn1-callers256", work.Rate, work.Ours, []string{work.OursNever}, 0.95},

	{many, "", "brokers1000-idle", work.Memory, work.Ours, work.Clients, 0.5},
	{many, "", "brokers1000-idle", work.Routine, work.Ours, nil, zero},
	{many, "", "brokers1000-busy", work.Memory, work.Ours, work.Clients, 0.5},
	{many, "", "brokers1000-busy", work.Routine, work.Ours, nil, zero},
	{many, "", "brokers1000-busy-rt", work.Memory, work.Ours, work.Clients, 0.5},

	{secure, "", "tls-idle-small", work.Memory, work.Ours, nil, 7.5},
	{secure, "", "tls-idle-small", work.Routine, work.Ours, nil, zero},
	{secure, "", "tls-idle-100k", work.Memory, work.Ours, nil, 24},
	{secure, "", "tls-idle-100k", work.Routine, work.Ours, nil, zero},
	{secure, "", "tls16-rt", work.Rate, work.Ours, []string{work.CryptoTLS}, 1},
	{secure, "", "tls16-rt", work.CPU, work.Ours, []string{work.CryptoTLS}, 1.05},
	{secure, "", "tls500-rt", work.Rate, work.Ours, []string{work.CryptoTLS}, 1},
	{secure, "", "tls500-rt", work.CPU, work.Ours, []string{work.CryptoTLS}, 1.05},
	{secure, "", "tls-setup", work.CPUConn, work.Ours, []string{work.CryptoTLS}, 1.1},
}

// Verdict is what became of a target.
type Verdict string

// Verdicts.
const (
	Pass        Verdict = "PASS"
	Fail        Verdict = "FAIL"
	NotMeasured Verdict = "----"
)

// Outcome is a target against a collection.
type Outcome struct {
	Target
	Verdict Verdict
	Got     float64 // the ratio, or the figure of an absolute bound
	Ours    float64
	Peer    string // the best of Target.Of
	Theirs  float64
}

// Check judges a target.
func (t Target) Check(c *Collection) Outcome {
	if t.Mode == "" {
		t.Mode = Pinned
	}
	o := Outcome{Target: t, Verdict: NotMeasured}
	ours := c.Stat(Key{t.Mode, t.Work, t.Ours}, t.Metric)
	if ours.Rounds == 0 {
		return o
	}
	o.Ours, o.Got = ours.Median, ours.Median
	if len(t.Of) > 0 {
		var theirs Stat
		o.Peer, theirs = c.best(t.Mode, t.Work, t.Metric, t.Of)
		if o.Peer == "" || theirs.Median == 0 {
			return o
		}
		o.Theirs, o.Got = theirs.Median, ours.Median/theirs.Median
	}
	if (t.Metric.More && o.Got >= t.Bound) || (!t.Metric.More && o.Got <= t.Bound) {
		o.Verdict = Pass
	} else {
		o.Verdict = Fail
	}
	return o
}

// bound says the bound in words.
func (o Outcome) bound() string {
	than := "at most"
	if o.Metric.More {
		than = "at least"
	}
	switch len(o.Of) {
	case 0:
		return fmt.Sprintf("%s %s", than, figure(o.Bound, o.Metric))
	case 1:
		return fmt.Sprintf("%s %.4g x %s", than, o.Bound, o.Of[0])
	}
	return fmt.Sprintf("%s %.4g x the best client", than, o.Bound)
}

// got says what was measured.
func (o Outcome) got() string {
	switch {
	case o.Verdict == NotMeasured:
		return "not measured"
	case len(o.Of) == 0:
		return figure(o.Got, o.Metric)
	}
	return fmt.Sprintf("%.2f (%s : %s of %s)", o.Got, figure(o.Ours, o.Metric), figure(o.Theirs, o.Metric), o.Peer)
}
