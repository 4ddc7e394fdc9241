package report_test

import (
	"math"
	"strings"
	"testing"

	"kafkaio/stress/peers/internal/report"
	"kafkaio/stress/peers/internal/work"
)

// rate is a result of so many thousand requests a second.
func rate(k float64) work.Result {
	return work.Result{Requests: uint64(k * 1000), Seconds: 1, CPUSeconds: 0.5, P50: 100 / k}
}

func fill(rates map[string][]float64) *report.Collection {
	c := new(report.Collection)
	for p, rs := range rates {
		for _, r := range rs {
			c.Add(report.Key{Mode: report.Pinned, Work: "conn1-callers64", Peer: p}, rate(r))
		}
	}
	return c
}

func TestStat(t *testing.T) {
	cases := map[string]struct {
		in   []float64
		want report.Stat
	}{
		"none":   {nil, report.Stat{}},
		"one":    {[]float64{3}, report.Stat{Median: 3, Min: 3, Max: 3, Rounds: 1}},
		"odd":    {[]float64{9, 1, 5}, report.Stat{Median: 5, Min: 1, Max: 9, Rounds: 3}},
		"even":   {[]float64{4, 1, 2, 9}, report.Stat{Median: 3, Min: 1, Max: 9, Rounds: 4}},
		"spikes": {[]float64{1, 1, 1, 100, 100}, report.Stat{Median: 1, Min: 1, Max: 100, Rounds: 5}},
	}
	for name, tc := range cases {
		got := fill(map[string][]float64{"p": tc.in}).Stat(report.Key{Mode: report.Pinned, Work: "conn1-callers64", Peer: "p"}, work.Rate)
		if math.Abs(got.Median-tc.want.Median) > 1e-9 || got.Min != tc.want.Min || got.Max != tc.want.Max || got.Rounds != tc.want.Rounds {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestMetrics(t *testing.T) {
	r := work.Result{
		Requests: 1000, Seconds: 2, CPUSeconds: 0.004, Allocs: 2000, Conns: 10,
		Goroutines: 20, MemoryBytes: 10 << 10, RSSBefore: 1 << 20, RSSAfter: 1<<20 + 20<<10,
	}
	for _, tc := range []struct {
		m    work.Metric
		want float64
	}{
		{work.Rate, 0.5},
		{work.CPU, 4},
		{work.Allocs, 2},
		{work.Memory, 1},
		{work.RSS, 2},
		{work.Routine, 2},
		{work.CPUConn, 400},
		{work.Opened, 5},
	} {
		if got := tc.m.Of(r); math.Abs(got-tc.want) > 1e-9 {
			t.Errorf("%s is %v, want %v", tc.m.Name, got, tc.want)
		}
		if got := tc.m.Of(work.Result{}); got != 0 {
			t.Errorf("%s of nothing is %v", tc.m.Name, got)
		}
	}
}

func TestCheck(t *testing.T) {
	c := fill(map[string][]float64{
		work.Ours: {500, 700, 600}, work.FranzGo: {100, 90, 110}, work.Sarama: {20, 20, 20}, work.CEpollPipe: {1000},
	})
	target := func(m work.Metric, bound float64, of ...string) report.Target {
		return report.Target{Work: "conn1-callers64", Metric: m, Ours: work.Ours, Of: of, Bound: bound}
	}
	cases := map[string]struct {
		t    report.Target
		want report.Verdict
		got  float64
	}{
		"at least, kept":       {target(work.Rate, 6, work.Clients...), report.Pass, 6},
		"at least, missed":     {target(work.Rate, 6.1, work.Clients...), report.Fail, 6},
		"at most, kept":        {target(work.P50, 1, work.FranzGo), report.Pass, 100.0 / 600},
		"at most, missed":      {target(work.P50, 1, work.CEpollPipe), report.Fail, 1000.0 / 600},
		"absolute, kept":       {target(work.P50, 0.2), report.Pass, 100.0 / 600},
		"absolute, missed":     {target(work.P50, 0.1), report.Fail, 100.0 / 600},
		"absolute, at least":   {target(work.Rate, 700), report.Fail, 600},
		"reference is missing": {target(work.Rate, 1, work.KafkaGo), report.NotMeasured, 600},
		"ours is missing":      {report.Target{Work: "rtt-1", Metric: work.P50, Ours: work.Ours}, report.NotMeasured, 0},
		"other mode":           {report.Target{Mode: report.Unpinned, Work: "conn1-callers64", Metric: work.Rate, Ours: work.Ours}, report.NotMeasured, 0},
	}
	for name, tc := range cases {
		o := tc.t.Check(c)
		if o.Verdict != tc.want || math.Abs(o.Got-tc.got) > 1e-6 {
			t.Errorf("%s: %s %v, want %s %v", name, o.Verdict, o.Got, tc.want, tc.got)
		}
	}
}

func TestTargetsReferToWhatAFullRunMeasures(t *testing.T) {
	for _, target := range report.Targets {
		w, ok := work.Find(target.Work)
		if !ok {
			t.Errorf("no work %s", target.Work)
			continue
		}
		peers := w.Pinned
		if target.Mode == report.Unpinned {
			peers = w.Unpinned
		}
		measured := " " + strings.Join(peers, " ") + " "
		if !strings.Contains(measured, " "+target.Ours+" ") {
			t.Errorf("%s: %s is not measured", target.Work, target.Ours)
		}
		found := len(target.Of) == 0
		for _, p := range target.Of {
			found = found || strings.Contains(measured, " "+p+" ")
		}
		if !found {
			t.Errorf("%s: none of %v is measured", target.Work, target.Of)
		}
	}
}

func selection() report.Selection {
	w, _ := work.Find("conn1-callers64")
	return report.Selection{
		Mode: report.Pinned, Works: []work.Work{w},
		Peers: map[string][]string{w.Name: {work.Ours, work.FranzGo, work.KafkaGo, work.CEpollPipe}},
	}
}

func TestTable(t *testing.T) {
	c := fill(map[string][]float64{work.Ours: {600, 500, 700}, work.FranzGo: {100}, work.CEpollPipe: {1200}})
	c.Add(report.Key{Mode: report.Pinned, Work: "conn1-callers64", Peer: work.KafkaGo}, work.Result{Error: "no such luck"})
	for style, want := range map[report.Style][]string{
		report.Text: {
			"conn1-callers64  kafkaio       600 k/s rate   500 - 700               6.00 ",
			"conn1-callers64  franz-go      100 k/s rate   100 - 100    0.17 ",
			"conn1-callers64  c-epoll-pipe  1200 k/s rate  1200 - 1200  2.00 ",
			"not, or not in all rounds: kafka-go: no such luck (conn1-callers64)",
		},
		report.Markdown: {"| work ", "|-----", "| conn1-callers64 | kafkaio ", "| 6.00 "},
	} {
		var b strings.Builder
		if err := report.WriteTable(&b, style, selection(), c); err != nil {
			t.Fatal(err)
		}
		for _, w := range want {
			if !strings.Contains(b.String(), w) {
				t.Errorf("style %d: no %q in\n%s", style, w, b.String())
			}
		}
	}
}

func TestARowOfASetup(t *testing.T) {
	w, _ := work.Find("tls-setup")
	s := report.Selection{Mode: report.Pinned, Works: []work.Work{w}, Peers: map[string][]string{w.Name: {work.Ours, work.CryptoTLS}}}
	c := new(report.Collection)
	c.Add(report.Key{Mode: report.Pinned, Work: w.Name, Peer: work.Ours}, work.Result{Conns: 1000, Seconds: 4, CPUSeconds: 1})
	c.Add(report.Key{Mode: report.Pinned, Work: w.Name, Peer: work.CryptoTLS}, work.Result{Conns: 1000, Seconds: 2, CPUSeconds: 0.8})
	var b strings.Builder
	if err := report.WriteTable(&b, report.Text, s, c); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"tls-setup  kafkaio    1000 µs CPU/conn", "1.25 ", " 250 /s", "tls-setup  cryptotls  800 µs CPU/conn"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

// TestMarkdownTables holds the tables against what GitHub Flavored Markdown
// asks of a table: a row of dashes after the header, the same number of cells
// in each row, and an empty line before whatever is not a row.
func TestMarkdownTables(t *testing.T) {
	c := fill(map[string][]float64{work.Ours: {600}, work.FranzGo: {100}})
	c.Add(report.Key{Mode: report.Pinned, Work: "conn1-callers64", Peer: work.KafkaGo}, work.Result{Error: "a | b\nc"})
	selections := []report.Selection{selection()}
	var table, targets strings.Builder
	if err := report.WriteTable(&table, report.Markdown, selections[0], c); err != nil {
		t.Fatal(err)
	}
	if _, err := report.WriteTargets(&targets, report.Markdown, selections, c); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{table.String(), targets.String()} {
		rows, rest, _ := strings.Cut(text, "\n\n")
		lines := strings.Split(strings.TrimSuffix(rows, "\n"), "\n")
		if len(lines) < 3 || strings.Trim(lines[1], "|-") != "" {
			t.Errorf("no header with dashes below in\n%s", text)
			continue
		}
		for _, l := range lines {
			if !strings.HasPrefix(l, "|") || !strings.HasSuffix(l, "|") || strings.Count(l, "|") != strings.Count(lines[0], "|") {
				t.Errorf("%q has other cells than %q", l, lines[0])
			}
		}
		if strings.HasPrefix(rest, "|") || strings.Count(strings.TrimSpace(rest), "\n") > 0 {
			t.Errorf("after the table: %q, want a line of text at most", rest)
		}
	}
}

func TestTargetLines(t *testing.T) {
	c := fill(map[string][]float64{work.Ours: {600}, work.FranzGo: {100}, work.CEpollPipe: {1200}})
	var b strings.Builder
	ok, err := report.WriteTargets(&b, report.Text, []report.Selection{selection()}, c)
	if err != nil || ok {
		t.Fatalf("ok %v, %v; want a failed target", ok, err)
	}
	for _, want := range []string{
		"PASS  core ", "at least 5 x the best client", "6.00 (600 k/s : 100 k/s of franz-go)",
		"FAIL  epoll driver ", "0.50 (600 k/s : 1200 k/s of c-epoll-pipe)", "----  epoll driver ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "rtt-1") {
		t.Errorf("a work that was not selected is there:\n%s", b.String())
	}
}
