package workload_test

import (
	"strings"
	"testing"

	"kafkaio/stress/internal/workload"
)

func TestParseMix(t *testing.T) {
	for _, tt := range []struct{ spec, want string }{
		{"mixed", "apiversions=1,metadata=1,produce=1,fetch=1"},
		{"ping", "apiversions=1"},
		{" Writes ", "metadata=1,produce=18,fetch=1"},
		{"produce", "produce=1"},
		{"fetch=3,produce", "produce=1,fetch=3"},
		{" Fetch = 3 , produce=0", "fetch=3"},
		{"metadata=1000000", "metadata=1000000"},
	} {
		m, err := workload.ParseMix(tt.spec)
		if err != nil {
			t.Errorf("ParseMix(%q): %v", tt.spec, err)
			continue
		}
		if got := m.String(); got != tt.want {
			t.Errorf("ParseMix(%q) = %s, want %s", tt.spec, got, tt.want)
		}
		again, err := workload.ParseMix(m.String())
		if err != nil || again != m {
			t.Errorf("ParseMix(%q) = %v, %v; want what it was printed from", m, again, err)
		}
	}
}

func TestParseMixRefuses(t *testing.T) {
	for _, tt := range []struct{ spec, want string }{
		{"", `"" is neither`},
		{"heartbeat=1", `"heartbeat" is neither a request (apiversions, metadata, produce, fetch) nor a preset (mixed, ping, writes, reads)`},
		{"produce=1,mixed", `"mixed" is neither`},
		{"produce=1,,fetch=1", `"" is neither`},
		{"produce=1,produce=2", "produce is named twice"},
		{"produce=0,produce=0", "produce is named twice"},
		{"produce=-1", `weight "-1" of produce`},
		{"produce=1.5", `weight "1.5" of produce`},
		{"produce=1000001", `weight "1000001" of produce`},
		{"produce=", `weight "" of produce`},
		{"produce=0,fetch=0", "nothing to send"},
	} {
		if _, err := workload.ParseMix(tt.spec); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("ParseMix(%q): %v; want %q", tt.spec, err, tt.want)
		}
	}
}

func TestPresetsParse(t *testing.T) {
	for line := range strings.Lines(workload.Presets()) {
		name, _, _ := strings.Cut(line, " ")
		if _, err := workload.ParseMix(name); err != nil {
			t.Errorf("preset of the line %q: %v", line, err)
		}
	}
}

func TestMixNeeds(t *testing.T) {
	for _, tt := range []struct {
		spec             string
		topic, partition bool
	}{
		{"apiversions", false, false},
		{"metadata,apiversions", true, false},
		{"produce", true, true},
		{"fetch,produce=0", true, true},
	} {
		m, err := workload.ParseMix(tt.spec)
		if err != nil {
			t.Fatal(err)
		}
		if m.NeedsTopic() != tt.topic || m.NeedsPartition() != tt.partition {
			t.Errorf("%s: needs a topic %t, a partition %t; want %t, %t", tt.spec, m.NeedsTopic(), m.NeedsPartition(), tt.topic, tt.partition)
		}
	}
}
