package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/kafka/internal/cluster"
)

func TestAFullRunIsBelowAQuarterOfAnHour(t *testing.T) {
	o, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := len(cells(rows(o.listeners, o.apis, o.shapes), o.peers)) * o.rounds
	if took := time.Duration(n) * (o.warmUp + o.length + startUp); took > 15*time.Minute {
		t.Errorf("%d measurements take %v", n, took)
	}
}

func TestBadFlags(t *testing.T) {
	for _, args := range []string{
		"-apis Nothing", "-peers nobody", "-listeners NOWHERE", "-shapes 4", "-shapes 64x1", "-shapes 1x1x1", "-shapes ,", "-apis ,", "-rounds 0", "-length 0s", "-warmup -1s", "-procs -1", "more",
	} {
		if _, err := parse(strings.Fields(args)); err == nil {
			t.Errorf("%s: no error", args)
		}
	}
}

func TestTheTableComparesWithTheBestPeer(t *testing.T) {
	r := row{cluster.Plaintext, apiFetch, shape{1, 64}}
	tab := table{rows: []row{r}, peers: []string{ours, franzGo, sarama, kafkaGo}, results: map[cell][]result{}, failed: map[cell]string{}}
	of := func(peer string, micros float64) {
		tab.add(cell{r, peer}, result{Requests: 1000, Seconds: 1, CPUSeconds: micros / 1e3})
	}
	for _, m := range []float64{11, 10, 90} { // one outlier
		of(ours, m)
	}
	of(franzGo, 40)
	of(sarama, 70)
	tab.add(cell{r, kafkaGo}, result{Error: "it does not like us"})
	var b strings.Builder
	if err := tab.write(&b, false, "heading"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"heading", "0.28", "10.0 - 90.0", "target reached", "of franz-go", "kafka-go: it does not like us"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if tab.missed() != 0 {
		t.Error("the target was missed")
	}
	of(ours, 20)
	of(ours, 20)
	if tab.missed() != 1 {
		t.Error("the target was not missed")
	}
	of(oursDelay, 12)
	if goals := tab.goals(); len(goals) != 2 || goals[1].own != oursDelay || tab.missed() != 1 {
		t.Errorf("with a second one of ours, the goals are %+v", goals)
	}
}

func TestOnlyClientsOnAsManyConnectionsAreRivals(t *testing.T) {
	shared, own := shape{1, 64}, shape{64, 64}
	for _, c := range []struct {
		peer   string
		shape  shape
		rivals bool
		name   string
	}{
		{franzGo, shared, true, "franz-go"},
		{kafkaGo, shared, false, "kafka-go (64 conns)"},
		{kafkaGo, own, true, "kafka-go"},
		{kafkaGoConn, shared, true, "kafka-go/conn"},
		{cEpoll, own, false, "c-epoll"},
		{oursSubmit, own, false, "kafkaio/submit"},
	} {
		r := row{cluster.Plaintext, apiMetadata, c.shape}
		tab := table{rows: []row{r}, peers: []string{c.peer}, results: map[cell][]result{}}
		tab.add(cell{r, c.peer}, result{Requests: 1, Seconds: 1, CPUSeconds: 1e-6})
		if best, _ := tab.best(r); (best != "") != c.rivals {
			t.Errorf("%v with %v: best is %q", c.peer, c.shape, best)
		}
		if got := tab.line(cell{r, c.peer})[3]; got != c.name {
			t.Errorf("%v with %v is called %q, want %q", c.peer, c.shape, got, c.name)
		}
	}
}

func TestCellsLeavesOutWhatCannotBeDone(t *testing.T) {
	all := cells(rows([]string{cluster.Plaintext, cluster.SASLSSL}, allAPIs, []shape{{1, 1}, {1, 64}, {8, 64}, {64, 64}}), allPeers)
	has := map[string]bool{}
	for _, c := range all {
		has[c.String()] = true
	}
	for name, want := range map[string]bool{
		"PLAINTEXT Fetch 1x64 kafka-go/conn":   false,
		"SASL_SSL Metadata 1x64 c-epoll":       false,
		"PLAINTEXT Metadata 8x64 c-epoll":      false,
		"PLAINTEXT Metadata 1x1 kafkaio/delay": false,
		"PLAINTEXT Fetch 1x1 c-rest":           false,
		"PLAINTEXT Produce 1x64 kafka-go/conn": true,
		"PLAINTEXT Metadata 1x64 c-rest":       true,
		"PLAINTEXT Metadata 64x64 c-epoll":     true,
		"SASL_SSL Fetch 64x64 kafkaio/delay":   true,
		"PLAINTEXT Fetch 1x1 kafka-go":         true,
	} {
		if has[name] != want {
			t.Errorf("%s: %v, want %v", name, has[name], want)
		}
	}
}

func TestAnAskerAsksUntilTheEnd(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		refuse error // of submit, the third time
		answer error // the third
		stop   bool  // the third time
		count  int64
	}{
		{name: "stopped", stop: true, count: 3},
		{name: "refused", refuse: broken, count: 2},
		{name: "failed", answer: broken, count: 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := &window{}
			w.phase.Store(measuring)
			ends, asked := 0, 0
			var pending func(error)
			a := &asker{window: w, end: func() { ends++ }}
			a.done = a.answered
			a.submit = func(done func(error)) error {
				asked++
				if asked == 3 && c.refuse != nil {
					return c.refuse
				}
				pending = done
				return nil
			}
			a.ask()
			for pending != nil {
				done := pending
				pending = nil
				var err error
				if asked == 3 {
					err = c.answer
					if c.stop {
						w.phase.Store(stopping)
					}
				}
				done(err)
			}
			if ends != 1 || asked != 3 || w.count.Load() != c.count || len(a.took) != int(c.count) {
				t.Errorf("%d ends, %d requests, %d answers, %d timed; want 1, 3, %d, %d", ends, asked, w.count.Load(), len(a.took), c.count, c.count)
			}
			if failed := w.failed.Load() != nil; failed == c.stop {
				t.Errorf("failed: %v", failed)
			}
		})
	}
}

func TestMeasureCountsAndEndsWithAnError(t *testing.T) {
	w := &window{}
	calls := 0
	broken := errors.New("broken")
	took := w.loop(func() error {
		if calls++; calls == 3 {
			return broken
		}
		w.phase.Store(measuring)
		return nil
	})
	if w.count.Load() != 2 || len(took) != 1 || w.failed.Load() == nil || !errors.Is(*w.failed.Load(), broken) {
		t.Errorf("%d requests, %d timed, error %v; want 2, 1 and %v", w.count.Load(), len(took), w.failed.Load(), broken)
	}
}
