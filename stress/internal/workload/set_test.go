package workload_test

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/workload"
)

func target(partitions int) workload.Target {
	t := workload.Target{
		Topic:   "topic",
		TopicID: [16]byte{1},
		Versions: workload.Versions{
			kmsg.ApiVersions: {Min: 0, Max: 99}, kmsg.Metadata: {Min: 0, Max: 99},
			kmsg.Produce: {Min: 3, Max: 99}, kmsg.Fetch: {Min: 4, Max: 99},
		},
	}
	for p := range partitions {
		t.Partitions = append(t.Partitions, workload.Partition{ID: int32(p)})
	}
	return t
}

func options(t *testing.T, spec string) workload.Options {
	t.Helper()
	mix, err := workload.ParseMix(spec)
	if err != nil {
		t.Fatal(err)
	}
	return workload.Options{Mix: mix, RecordBytes: 100, FetchBytes: 1000, Timeout: time.Second, Seed: 1, Now: time.UnixMilli(1)}
}

func mustBuild(t *testing.T, tg workload.Target, o workload.Options) *workload.Set {
	t.Helper()
	s, err := workload.Build(tg, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBuildChoosesTheNewestCommonVersion(t *testing.T) {
	for _, tt := range []struct {
		name    string
		brokers workload.Range
		noID    bool
		want    int16
	}{
		{"newer broker", workload.Range{Min: 3, Max: 99}, false, kmsg.NewPtrProduceRequest().MaxVersion()},
		{"older broker", workload.Range{Min: 0, Max: 7}, false, 7},
		{"no topic id", workload.Range{Min: 3, Max: 99}, true, 12},
	} {
		tg := target(1)
		tg.Versions[kmsg.Produce] = tt.brokers
		if tt.noID {
			tg.TopicID = [16]byte{}
		}
		p := mustBuild(t, tg, options(t, "produce")).Picker(1, 1)
		if got := p.Next().Version; got != tt.want {
			t.Errorf("%s: version %d, want %d", tt.name, got, tt.want)
		}
	}
}

func TestBuildSaysWhatIsMissing(t *testing.T) {
	tg := target(1)
	delete(tg.Versions, kmsg.Fetch)
	tg.Versions[kmsg.Produce] = workload.Range{Min: 90, Max: 99}
	var v *workload.VersionError
	if _, err := workload.Build(tg, options(t, "fetch")); !errors.As(err, &v) || v.Known {
		t.Errorf("unsupported API: %v; want a VersionError of an unknown API", err)
	}
	if _, err := workload.Build(tg, options(t, "produce")); !errors.As(err, &v) || !v.Known {
		t.Errorf("versions that do not meet: %v; want a VersionError of a known API", err)
	}
	if _, err := workload.Build(target(0), options(t, "produce,fetch")); !errors.Is(err, workload.ErrNothingToSend) {
		t.Errorf("no partition and only requests to leaders: %v; want ErrNothingToSend", err)
	}
	if got := mustBuild(t, target(0), options(t, "mixed")).Mix().String(); got != "apiversions=1,metadata=1" {
		t.Errorf("no partition: mix %s, want the rest without leaders", got)
	}
}

func TestRequestsDecode(t *testing.T) {
	for _, spec := range []string{"apiversions", "metadata", "produce", "fetch"} {
		for version := range int16(20) {
			tg := target(3)
			for k, r := range tg.Versions {
				tg.Versions[k] = workload.Range{Min: 0, Max: max(version, r.Min)}
			}
			p := mustBuild(t, tg, options(t, spec)).Picker(1, 1)
			r := p.Next()
			kind := r.API.Key().Request()
			kind.SetVersion(r.Version)
			header := 8 + 2 + len("kafkaio-stress")
			if kind.IsFlexible() {
				header++
			}
			if err := kind.ReadFrom(r.Bytes[header:]); err != nil {
				t.Errorf("%v version %d: %v", r.API, r.Version, err)
			}
		}
	}
}

func TestPickerRepeatsItsOrder(t *testing.T) {
	s := mustBuild(t, target(5), options(t, "mixed"))
	draw := func(seed, stream uint64) (order [64]*workload.Request) {
		p := s.Picker(seed, stream)
		for i := range order {
			order[i] = p.Next()
		}
		return order
	}
	first := draw(1, 2)
	if draw(1, 2) != first {
		t.Error("the same seed and stream gave two orders, want one")
	}
	if draw(1, 3) == first || draw(2, 2) == first {
		t.Error("another seed or stream gave the same order, want another one")
	}
}

func TestPickerFollowsTheWeights(t *testing.T) {
	p := mustBuild(t, target(4), options(t, "apiversions=6,produce=3,fetch=1")).Picker(7, 7)
	const draws = 100_000
	var apis [workload.NumAPIs]int
	requests := make(map[*workload.Request]int)
	for range draws {
		r := p.Next()
		apis[r.API]++
		requests[r]++
	}
	for a, want := range map[workload.API]float64{workload.ApiVersions: 0.6, workload.Metadata: 0, workload.Produce: 0.3, workload.Fetch: 0.1} {
		if got := float64(apis[a]) / draws; math.Abs(got-want) > 0.01 {
			t.Errorf("share of %v: %.3f, want %.3f", a, got, want)
		}
	}
	if len(requests) != 1+4+4 {
		t.Errorf("%d different requests were drawn, want 1 of ApiVersions and one for each of 4 partitions of Produce and Fetch", len(requests))
	}
}

func TestPartitionsAreBounded(t *testing.T) {
	p := mustBuild(t, target(10_000), options(t, "produce")).Picker(1, 1)
	requests := make(map[*workload.Request]bool)
	for range 10_000 {
		requests[p.Next()] = true
	}
	if len(requests) != workload.MaxPartitions {
		t.Errorf("%d partitions are used, want %d", len(requests), workload.MaxPartitions)
	}
}

func TestNextDoesNotAllocate(t *testing.T) {
	p := mustBuild(t, target(4), options(t, "mixed")).Picker(1, 1)
	if n := testing.AllocsPerRun(1000, func() { p.Next() }); n != 0 {
		t.Errorf("Next allocates %v times, want 0", n)
	}
}
