// Package report turns the results of many rounds into medians, one table a
// mode, and the list of targets.
package report

import (
	"slices"

	"kafkaio/stress/peers/internal/work"
)

// Key names a cell: what was measured of whom, and how.
type Key struct {
	Mode, Work, Peer string
}

// Collection holds results, one a round. The zero value is empty.
type Collection struct {
	results map[Key][]work.Result
	missing map[Key]string
	absent  map[Key]bool
}

// Add puts a result by. One with an error is kept as the reason why a cell
// may be empty.
func (c *Collection) Add(k Key, r work.Result) {
	if r.Error != "" {
		c.fail(k, r)
		return
	}
	if c.results == nil {
		c.results = make(map[Key][]work.Result)
	}
	c.results[k] = append(c.results[k], r)
}

// fail notes why a result is not there; the first reason stays.
func (c *Collection) fail(k Key, r work.Result) {
	if c.missing == nil {
		c.missing = make(map[Key]string)
		c.absent = make(map[Key]bool)
	}
	if c.missing[k] == "" {
		c.missing[k] = r.Error
	}
	c.absent[k] = c.absent[k] || r.Unavailable
}

// Absent says that measuring a cell again would be in vain.
func (c *Collection) Absent(k Key) bool { return c.absent[k] }

// Why returns the reason for a failed round of a cell, or "".
func (c *Collection) Why(k Key) string { return c.missing[k] }

// Stat is a metric over the rounds.
type Stat struct {
	Median, Min, Max float64
	Rounds           int // 0: nothing was measured
}

// Stat returns a metric of a cell.
func (c *Collection) Stat(k Key, m work.Metric) Stat {
	var values []float64
	for _, r := range c.results[k] {
		values = append(values, m.Of(r))
	}
	if len(values) == 0 {
		return Stat{}
	}
	slices.Sort(values)
	return Stat{Median: median(values), Min: values[0], Max: values[len(values)-1], Rounds: len(values)}
}

// median of sorted values; of an even number, the mean of the middle two.
func median(sorted []float64) float64 {
	n := len(sorted)
	if n%2 == 1 {
		return sorted[n/2]
	}
	return (sorted[n/2-1] + sorted[n/2]) / 2
}

// best returns the best median among peers and who has it.
func (c *Collection) best(mode, workName string, m work.Metric, peers []string) (string, Stat) {
	var who string
	var best Stat
	for _, p := range peers {
		s := c.Stat(Key{mode, workName, p}, m)
		if s.Rounds == 0 {
			continue
		}
		if who == "" || (m.More && s.Median > best.Median) || (!m.More && s.Median < best.Median) {
			who, best = p, s
		}
	}
	return who, best
}
