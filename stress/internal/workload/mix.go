package workload

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// maxWeight bounds a weight, so that sums cannot overflow. Chosen freely.
const maxWeight = 1_000_000

// Mix is the weight of each API in a load: 2 is drawn twice as often as 1, 0 never.
type Mix [NumAPIs]int

// preset is a mix with a name.
type preset struct {
	name string
	mix  Mix
	says string
}

var presets = []preset{
	{"mixed", Mix{ApiVersions: 1, Metadata: 1, Produce: 1, Fetch: 1}, "a quarter of each"},
	{"ping", Mix{ApiVersions: 1}, "ApiVersions alone, the cheapest request"},
	{"writes", Mix{Metadata: 1, Produce: 18, Fetch: 1}, "nine of ten are Produce"},
	{"reads", Mix{Metadata: 1, Produce: 1, Fetch: 18}, "nine of ten are Fetch"},
}

// Presets describes the named mixes, one to a line.
func Presets() string {
	var b strings.Builder
	for _, p := range presets {
		fmt.Fprintf(&b, "%-7s %s (%v)\n", p.name, p.says, p.mix)
	}
	return b.String()
}

// ParseMix reads a mix: the name of a preset, or weights as in "produce=3,fetch=1", where an API without a weight has 1.
func ParseMix(spec string) (Mix, error) {
	if i := slices.IndexFunc(presets, func(p preset) bool { return p.name == strings.ToLower(strings.TrimSpace(spec)) }); i >= 0 {
		return presets[i].mix, nil
	}
	var m Mix
	var seen [NumAPIs]bool
	for part := range strings.SplitSeq(spec, ",") {
		name, weight, weighted := strings.Cut(part, "=")
		name = strings.ToLower(strings.TrimSpace(name))
		a, ok := apiOf(name)
		if !ok {
			return Mix{}, fmt.Errorf("%q is neither a request (%s) nor a preset (%s)", name, apiNames(), presetNames())
		}
		if seen[a] {
			return Mix{}, fmt.Errorf("%s is named twice", a)
		}
		seen[a] = true
		m[a] = 1
		if weighted {
			w, err := strconv.Atoi(strings.TrimSpace(weight))
			if err != nil || w < 0 || w > maxWeight {
				return Mix{}, fmt.Errorf("weight %q of %s is not a whole number from 0 to %d", weight, a, maxWeight)
			}
			m[a] = w
		}
	}
	if m.total() == 0 {
		return Mix{}, fmt.Errorf("all weights are 0: there would be nothing to send")
	}
	return m, nil
}

// String is the mix as ParseMix reads it.
func (m Mix) String() string {
	var parts []string
	for a, w := range m {
		if w > 0 {
			parts = append(parts, fmt.Sprintf("%v=%d", API(a), w))
		}
	}
	return strings.Join(parts, ",")
}

// NeedsPartition reports whether any request of the mix goes to the leader of a partition.
func (m Mix) NeedsPartition() bool { return m[Produce] > 0 || m[Fetch] > 0 }

// NeedsTopic reports whether any request of the mix names the topic.
func (m Mix) NeedsTopic() bool { return m.NeedsPartition() || m[Metadata] > 0 }

// WithoutPartitions is what is left for a broker that leads no partition.
func (m Mix) WithoutPartitions() Mix {
	m[Produce], m[Fetch] = 0, 0
	return m
}

func (m Mix) total() int {
	sum := 0
	for _, w := range m {
		sum += w
	}
	return sum
}

func apiNames() string {
	var names []string
	for a := range NumAPIs {
		names = append(names, a.String())
	}
	return strings.Join(names, ", ")
}

func presetNames() string {
	var names []string
	for _, p := range presets {
		names = append(names, p.name)
	}
	return strings.Join(names, ", ")
}
