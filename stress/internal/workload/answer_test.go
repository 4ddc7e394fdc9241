package workload_test

import (
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/workload"
)

// request builds one of an API in a version.
func request(t *testing.T, a workload.API, version int16) *workload.Request {
	t.Helper()
	tg := target(1)
	tg.Versions[a.Key()] = workload.Range{Min: 0, Max: version}
	p := mustBuild(t, tg, options(t, a.String())).Picker(1, 1)
	return p.Next()
}

// answer encodes a response of two or one partitions, with codes at the top and in the last partition.
func answer(a workload.API, version int16, partitions int, top, last int16) []byte {
	response := a.Key().Response()
	response.SetVersion(version)
	code := func(p int) int16 {
		if p == partitions-1 {
			return last
		}
		return 0
	}
	switch r := response.(type) {
	case *kmsg.ApiVersionsResponse:
		r.ErrorCode = top
		r.ApiKeys = append(r.ApiKeys, kmsg.NewApiVersionsResponseApiKey())
	case *kmsg.MetadataResponse:
		t := kmsg.NewMetadataResponseTopic()
		t.Topic, t.ErrorCode = kmsg.StringPtr("topic"), top
		for p := range partitions {
			mp := kmsg.NewMetadataResponseTopicPartition()
			mp.ErrorCode = code(p)
			t.Partitions = append(t.Partitions, mp)
		}
		r.Topics = append(r.Topics, t)
	case *kmsg.ProduceResponse:
		t := kmsg.NewProduceResponseTopic()
		t.Topic = "topic"
		for p := range partitions {
			pp := kmsg.NewProduceResponseTopicPartition()
			pp.Partition, pp.ErrorCode = 7, code(p)
			t.Partitions = append(t.Partitions, pp)
		}
		r.Topics = append(r.Topics, t)
	case *kmsg.FetchResponse:
		r.ErrorCode, r.SessionID, r.ThrottleMillis = top, 1, 1
		t := kmsg.NewFetchResponseTopic()
		t.Topic = "topic"
		for p := range partitions {
			fp := kmsg.NewFetchResponseTopicPartition()
			fp.Partition, fp.ErrorCode, fp.RecordBatches = 7, code(p), []byte("records")
			t.Partitions = append(t.Partitions, fp)
		}
		r.Topics = append(r.Topics, t)
	}
	b := []byte{0, 0, 0, 1}
	if response.IsFlexible() && a != workload.ApiVersions {
		b = append(b, 0)
	}
	return response.AppendTo(b)
}

func TestCheckFindsCodesInEveryVersion(t *testing.T) {
	const code = 6 // NOT_LEADER_FOR_PARTITION
	for a := range workload.NumAPIs {
		for version := range a.Key().Request().MaxVersion() + 1 {
			r := request(t, a, version)
			if r.Version != version {
				continue
			}
			for _, tt := range []struct {
				name       string
				partitions int
				top, last  int16
				possible   bool
			}{
				{"one partition", 1, 0, 0, true},
				{"two partitions", 2, 0, 0, true},
				{"no partition", 0, 0, 0, true},
				{"code at the top", 1, code, 0, a == workload.ApiVersions || a == workload.Metadata || a == workload.Fetch && version >= 7},
				{"code in the partition", 1, 0, code, a != workload.ApiVersions},
				{"code in the second partition", 2, 0, code, a != workload.ApiVersions},
			} {
				if !tt.possible {
					continue
				}
				err := r.Check(answer(a, version, tt.partitions, tt.top, tt.last))
				if tt.top == 0 && tt.last == 0 {
					if err != nil {
						t.Errorf("%v version %d, %s: %v; want success", a, version, tt.name, err)
					}
					continue
				}
				var b *workload.BrokerError
				if !errors.As(err, &b) || b.Code != code || b.Name() != "NOT_LEADER_FOR_PARTITION" || b.API != a {
					t.Errorf("%v version %d, %s: %v; want NOT_LEADER_FOR_PARTITION", a, version, tt.name, err)
				}
			}
		}
	}
}

func TestCheckRefusesWhatIsCutOff(t *testing.T) {
	for a := range workload.NumAPIs {
		version := a.Key().Request().MaxVersion()
		r := request(t, a, version)
		whole := answer(a, version, 1, 0, 0)
		var m *workload.MalformedError
		for _, n := range []int{0, 3, 4, 5, 8} {
			if err := r.Check(whole[:n]); !errors.As(err, &m) {
				t.Errorf("%v cut to %d of %d bytes: %v; want a MalformedError", a, n, len(whole), err)
			}
		}
	}
}

func TestCheckKnowsARepeatedAnswerAgain(t *testing.T) {
	for _, a := range []workload.API{workload.ApiVersions, workload.Metadata} {
		r := request(t, a, 1)
		good, bad := answer(a, 1, 1, 0, 0), answer(a, 1, 1, 6, 0)
		for i, b := range [][]byte{good, good, bad, good, bad} {
			copy(b, []byte{0, 0, 0, byte(i)}) // correlation ids differ
			if err, want := r.Check(b), &b[0] == &bad[0]; (err != nil) != want {
				t.Errorf("%v answer %d: %v; want an error %t", a, i, err, want)
			}
		}
	}
}

func TestCheckOfASuccessDoesNotAllocate(t *testing.T) {
	for a := range workload.NumAPIs {
		version := a.Key().Request().MaxVersion()
		r := request(t, a, version)
		good := answer(a, version, 1, 0, 0)
		if n := testing.AllocsPerRun(100, func() { _ = r.Check(good) }); n != 0 {
			t.Errorf("%v: Check allocates %v times, want 0", a, n)
		}
	}
}

func TestNameOfACode(t *testing.T) {
	for code, want := range map[int16]string{-1: "UNKNOWN_SERVER_ERROR", 3: "UNKNOWN_TOPIC_OR_PARTITION", 9999: "CODE_9999"} {
		if got := (&workload.BrokerError{Code: code}).Name(); got != want {
			t.Errorf("name of code %d: %s, want %s", code, got, want)
		}
	}
}
