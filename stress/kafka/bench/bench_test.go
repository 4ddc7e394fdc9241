package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/kafka/internal/cluster"
)

func TestAFullRunIsBelowTenMinutes(t *testing.T) {
	o, err := parse(nil)
	if err != nil {
		t.Fatal(err)
	}
	n := len(rows(o.listeners, o.apis, o.shapes)) * len(o.peers) * o.rounds
	if took := time.Duration(n) * (o.warmUp + o.length + startUp); took > 10*time.Minute {
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
