package main

import (
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/peers/internal/report"
	"kafkaio/stress/peers/internal/work"
)

func TestEveryUsualPeerExists(t *testing.T) {
	names := peerNames()
	for _, w := range work.All {
		for _, p := range slices.Concat(w.Pinned, w.Unpinned) {
			if !slices.Contains(names, p) {
				t.Errorf("%s: no peer %q", w.Name, p)
			}
		}
	}
}

func TestPeersOf(t *testing.T) {
	cases := map[string]struct {
		args []string
		mode string
		work string
		want string
	}{
		"full run":               {nil, report.Pinned, "conn1-callers16", "kafkaio kafkaio/busy franz-go c-epoll-pipe"},
		"not in this mode":       {nil, report.Unpinned, "conn1-callers16", ""},
		"asked for by name":      {[]string{"-works", "conn1-callers16"}, report.Unpinned, "conn1-callers16", "kafkaio kafkaio/busy franz-go c-epoll-pipe"},
		"another was asked for":  {[]string{"-works", "rtt-1"}, report.Pinned, "conn1-callers16", ""},
		"peers chosen":           {[]string{"-peers", "sarama,kafkaio"}, report.Pinned, "conn1-callers16", "sarama kafkaio"},
		"peers that cannot":      {[]string{"-peers", "sarama,c-rawread"}, report.Pinned, "large1m-rt", "c-rawread"},
		"only some speak TLS":    {[]string{"-peers", "netconn,cryptotls,c-epoll-many,kafkaio/gnet"}, report.Pinned, "tls16-rt", "cryptotls kafkaio/gnet"},
		"not without TLS":        {[]string{"-peers", "netconn,cryptotls"}, report.Pinned, "conns256-rt", "netconn"},
		"TLS is pinned":          {nil, report.Unpinned, "tls-setup", ""},
		"peers, mode without it": {[]string{"-peers", "kafkaio"}, report.Unpinned, "large1m-rt", ""},
	}
	for name, tc := range cases {
		o, err := parse(tc.args)
		if err != nil {
			t.Fatal(name, err)
		}
		w, _ := work.Find(tc.work)
		if got := strings.Join(o.peersOf(w, tc.mode), " "); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range []string{
		"-works nothing", "-peers nobody", "-modes sideways", "-rounds 0", "-seconds 0", "-warmup -1", "rtt-1",
	} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

func TestAFullRunIsBelowTwentyMinutes(t *testing.T) {
	o, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &parent{options: o}
	if got := p.estimate(o.selections()); got > 20*time.Minute {
		t.Errorf("estimated %v", got)
	} else {
		t.Logf("estimated %v", got)
	}
}

func TestStartPinned(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("pinning needs Linux")
	}
	cpus := func(pinned bool, which int) string {
		cmd := exec.Command("grep", "Cpus_allowed_list", "/proc/self/status")
		var out strings.Builder
		cmd.Stdout = &out
		if err := startPinned(cmd, pinned, which); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(strings.TrimPrefix(out.String(), "Cpus_allowed_list:"))
	}
	all, first, last := cpus(false, firstCPU), cpus(true, firstCPU), cpus(true, lastCPU)
	if strings.ContainsAny(first+last, ",-") {
		t.Errorf("pinned to %q and %q, want one CPU each", first, last)
	}
	if runtime.NumCPU() > 1 && first == last {
		t.Errorf("both on CPU %s", first)
	}
	if again := cpus(false, firstCPU); again != all {
		t.Errorf("unpinned to %q, before %q: pinning leaked", again, all)
	}
}
