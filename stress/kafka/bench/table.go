package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"kafkaio/stress/kafka/internal/cluster"
)

const (
	// target is the most that ours may cost of the best peer, in plaintext with targetCallers callers.
	target        = 1.0 / 3
	targetCallers = 64
)

// table holds the results of all rounds.
type table struct {
	rows    []row
	peers   []string
	results map[cell][]result
	failed  map[cell]string // the first reason
}

func (t *table) add(c cell, r result) {
	switch {
	case r.Error == "":
		t.results[c] = append(t.results[c], r)
	case t.failed[c] == "":
		t.failed[c] = r.Error
	}
}

// values gives a metric of a cell in all rounds.
func (t *table) values(c cell, metric func(result) float64) []float64 {
	var all []float64
	for _, r := range t.results[c] {
		all = append(all, metric(r))
	}
	return all
}

// best is the smallest median of CPU among our rivals, 0 if none was measured.
func (t *table) best(r row) (peer string, micros float64) {
	for _, p := range t.peers {
		c := cell{r, p}
		m := median(t.values(c, cpuMicros))
		if c.rivals() && m > 0 && (peer == "" || m < micros) {
			peer, micros = p, m
		}
	}
	return peer, micros
}

// write writes the table, what failed, and the targets.
func (t *table) write(out io.Writer, markdown bool, heading string) error {
	lines := [][]string{{"listener", "request", "conns x callers", "client", "CPU µs/req", "min - max", "/ best peer", "k/s", "p50 µs", "p99 µs", "allocs/req"}}
	var failures []string
	for _, r := range t.rows {
		for _, p := range t.peers {
			c := cell{r, p}
			if why := t.failed[c]; why != "" {
				failures = append(failures, fmt.Sprintf("not, or not in all rounds: %v %s: %s", r, p, why))
			}
			if len(t.results[c]) > 0 {
				lines = append(lines, t.line(c))
			}
		}
	}
	var b strings.Builder
	if markdown {
		b.WriteString("### ")
	}
	b.WriteString(heading + "\n\n" + format(lines, markdown) + "\n")
	for _, f := range slices.Concat(failures, t.targets()) {
		if markdown {
			b.WriteString("- ")
		}
		b.WriteString(f + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// line is a cell's.
func (t *table) line(c cell) []string {
	cpu := t.values(c, cpuMicros)
	ratio := ""
	if _, best := t.best(c.row); isOurs(c.peer) && best > 0 {
		ratio = fmt.Sprintf("%.2f", median(cpu)/best)
	}
	client := c.peer
	if n := c.opens(); n != c.shape.conns {
		client += fmt.Sprintf(" (%d conns)", n)
	}
	number := func(metric func(result) float64) string { return fmt.Sprintf("%.1f", median(t.values(c, metric))) }
	return []string{
		c.listener, c.api, c.shape.String(), client, fmt.Sprintf("%.1f", median(cpu)), fmt.Sprintf("%.1f - %.1f", slices.Min(cpu), slices.Max(cpu)),
		ratio, number(rate), number(p50), number(p99), number(allocs),
	}
}

// goal is one row's target.
type goal struct {
	row     row
	own     string
	ratio   float64
	against string
}

// goals gives those that were measured.
func (t *table) goals() []goal {
	var all []goal
	for _, r := range t.rows {
		who, best := t.best(r)
		for _, name := range []string{ours, oursDelay} {
			own := median(t.values(cell{r, name}, cpuMicros))
			if r.listener == cluster.Plaintext && r.shape.callers == targetCallers && own > 0 && best > 0 {
				all = append(all, goal{r, name, own / best, who})
			}
		}
	}
	return all
}

func (t *table) targets() []string {
	var all []string
	for _, g := range t.goals() {
		verdict := "reached"
		if g.ratio > target {
			verdict = "MISSED"
		}
		all = append(all, fmt.Sprintf("target %s: %v: %s %.2f of %s, wanted at most %.2f", verdict, g.row, g.own, g.ratio, g.against, target))
	}
	return all
}

// missed counts the targets that were not reached.
func (t *table) missed() int {
	n := 0
	for _, g := range t.goals() {
		if g.ratio > target {
			n++
		}
	}
	return n
}

// format sets lines in columns: text to the left, figures to the right.
func format(lines [][]string, markdown bool) string {
	const texts = 4 // columns
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, f := range l {
			widths[i] = max(widths[i], utf8.RuneCountInString(f))
		}
	}
	var b strings.Builder
	for n, l := range lines {
		for i, f := range l {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(f))
			if i < texts {
				f += pad
			} else {
				f = pad + f
			}
			if markdown {
				f = "| " + f + " "
			} else if i > 0 {
				f = "  " + f
			}
			b.WriteString(f)
		}
		if markdown {
			b.WriteString("|")
		}
		b.WriteString("\n")
		if n == 0 && markdown {
			for i, w := range widths {
				rule := strings.Repeat("-", w+1)
				if i < texts {
					b.WriteString("|" + rule + "-")
				} else {
					b.WriteString("|" + rule + ":")
				}
			}
			b.WriteString("|\n")
		}
	}
	return b.String()
}
