package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"kafkaio/stress/peers/internal/work"
)

// Selection is what a run was asked to measure, in the order of the rows.
type Selection struct {
	Mode  string
	Works []work.Work
	Peers map[string][]string // by work
}

// Style is how tables are written.
type Style int

// The styles.
const (
	Text Style = iota
	Markdown
)

var header = []string{
	"work", "peer", "median", "min - max", "/ " + work.Ours, "/ best peer", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs/req", "allocs/req",
}

// WriteTable writes the table of a mode.
func WriteTable(out io.Writer, style Style, s Selection, c *Collection) error {
	rows := [][]string{header}
	var notes notes
	for _, w := range s.Works {
		for _, p := range s.Peers[w.Name] {
			k := Key{s.Mode, w.Name, p}
			if c.Stat(k, w.Metric).Rounds > 0 {
				rows = append(rows, row(c, s, w, k))
			}
			if why := c.Why(k); why != "" {
				notes.add(p+": "+why, w.Name)
			}
		}
	}
	if err := writeRows(out, style, rows); err != nil {
		return err
	}
	return notes.write(out, style)
}

// notes collects the works in which a peer failed for the same reason.
type notes struct {
	whys  []string
	works map[string][]string
}

func (n *notes) add(why, workName string) {
	if n.works == nil {
		n.works = make(map[string][]string)
	}
	if n.works[why] == nil {
		n.whys = append(n.whys, why)
	}
	n.works[why] = append(n.works[why], workName)
}

func (n *notes) write(out io.Writer, style Style) error {
	form := "not, or not in all rounds: %s (%s)\n"
	if style == Markdown {
		form = "\nnot, or not in all rounds: `%s` (%s)\n" // code, so that nothing in it is taken for markup
	}
	for _, why := range n.whys {
		text := why
		if style == Markdown {
			text = strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "`", "'")
		}
		if _, err := fmt.Fprintf(out, form, text, strings.Join(n.works[why], ", ")); err != nil {
			return err
		}
	}
	return nil
}

// row is one line. Ratios are of the work's metric; the best peer is the best
// of all that are not ours and not C.
func row(c *Collection, s Selection, w work.Work, k Key) []string {
	st := c.Stat(k, w.Metric)
	r := []string{
		w.Name, k.Peer, figure(st.Median, w.Metric) + " " + w.Metric.Name,
		number(st.Min) + " - " + number(st.Max), "", "",
	}
	if ours := c.Stat(Key{k.Mode, w.Name, work.Ours}, w.Metric); ours.Rounds > 0 && ours.Median != 0 && k.Peer != work.Ours {
		r[4] = fmt.Sprintf("%.2f", st.Median/ours.Median)
	}
	if work.IsOurs(k.Peer) {
		var peers []string
		for _, p := range s.Peers[w.Name] {
			if _, c := work.Yardsticks[p]; !c && !work.IsOurs(p) {
				peers = append(peers, p)
			}
		}
		if who, best := c.best(k.Mode, w.Name, w.Metric, peers); who != "" && best.Median != 0 {
			r[5] = fmt.Sprintf("%.2f", st.Median/best.Median)
		}
	}
	for _, m := range []work.Metric{work.P50, work.P99, work.P999, work.CPU, work.Allocs} {
		r = append(r, optional(c.Stat(k, m), w, m, k.Peer))
	}
	switch {
	case w.Setup:
		r = append(r[:6], figure(c.Stat(k, work.Opened).Median, work.Opened), "", "", "", "")
	case w.Idle:
		r = append(r[:6], "RSS "+figure(c.Stat(k, work.RSS).Median, work.RSS),
			"goroutines "+number(c.Stat(k, work.Routine).Median), "live "+figure(c.Stat(k, work.Live).Median, work.Live), "", "")
	}
	return r
}

// optional is a figure beside the metric of the row, or nothing where it does
// not apply.
func optional(s Stat, w work.Work, m work.Metric, peer string) string {
	_, c := work.Yardsticks[peer]
	if w.Idle || s.Rounds == 0 || (c && m.Name == work.Allocs.Name) {
		return ""
	}
	return number(s.Median)
}

// WriteTargets writes a line for each target of the works and modes that were
// selected, and says whether none failed.
func WriteTargets(out io.Writer, style Style, selections []Selection, c *Collection) (bool, error) {
	chosen := map[string]bool{}
	for _, s := range selections {
		for _, w := range s.Works {
			chosen[s.Mode+" "+w.Name] = true
		}
	}
	rows := [][]string{{"", "targets", "mode", "work", "metric", "ours", "bound", "measured"}}
	ok := true
	for _, t := range Targets {
		o := t.Check(c)
		if !chosen[o.Mode+" "+o.Work] {
			continue
		}
		ok = ok && o.Verdict != Fail
		rows = append(rows, []string{string(o.Verdict), o.Group, o.Mode, o.Work, o.Metric.Name, o.Target.Ours, o.bound(), o.got()})
	}
	return ok, writeRows(out, style, rows)
}

// figure is a number with its unit.
func figure(v float64, m work.Metric) string {
	if m.Unit == "" {
		return number(v)
	}
	return number(v) + " " + m.Unit
}

// number has three significant digits, or all before the point.
func number(v float64) string {
	a := v
	if a < 0 {
		a = -a
	}
	switch {
	case a >= 100:
		return fmt.Sprintf("%.0f", v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	case a >= 0.01 || a == 0:
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.4f", v)
}

// writeRows writes a header and lines, in columns.
func writeRows(out io.Writer, style Style, rows [][]string) error {
	width := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, cell := range r {
			width[i] = max(width[i], utf8.RuneCountInString(cell))
		}
	}
	var b strings.Builder
	for n, r := range rows {
		for i, cell := range r {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if style == Markdown {
				b.WriteString("| " + cell + pad + " ")
			} else {
				b.WriteString(cell + pad + "  ")
			}
		}
		if style == Markdown {
			b.WriteString("|")
		}
		line := strings.TrimRight(b.String(), " ") + "\n"
		b.Reset()
		if n == 0 && style == Markdown {
			for i := range r {
				line += "|" + strings.Repeat("-", width[i]+2)
			}
			line += "|\n"
		}
		if _, err := io.WriteString(out, line); err != nil {
			return err
		}
	}
	return nil
}
