package yardstick_test

import (
	"encoding/binary"
	"errors"
	"os/exec"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/internal/yardstick"
)

const topic = "yardstick"

// framed is a request with its size prefix.
func framed(r kmsg.Request) []byte {
	b := kmsg.NewRequestFormatter().AppendRequest(nil, r, 1)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	return b
}

func heartbeat() []byte {
	r := kmsg.NewPtrHeartbeatRequest()
	r.Version, r.Group, r.MemberID = 4, "group", "member"
	return framed(r)
}

func fetch() []byte {
	r := kmsg.NewPtrFetchRequest()
	r.Version, r.MaxBytes, r.MaxWaitMillis = 12, 2<<20, 100
	p := kmsg.NewFetchRequestTopicPartition()
	p.PartitionMaxBytes = 2 << 20
	t := kmsg.NewFetchRequestTopic()
	t.Topic, t.Partitions = topic, append(t.Partitions, p)
	r.Topics = append(r.Topics, t)
	return framed(r)
}

func TestEveryModeMeasures(t *testing.T) {
	bin, err := yardstick.Build(t.Context(), t.TempDir())
	if errors.Is(err, yardstick.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	const fetchBytes = 1 << 20
	r, err := responder.Start(responder.Config{FetchBytes: fetchBytes, Topic: topic})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for mode, count := range map[string]int{
		yardstick.Spin: 1, yardstick.Block: 1, yardstick.EpollPipe: 16, yardstick.EpollMany: 256, yardstick.RestPipe: 16, yardstick.RestMany: 16, yardstick.RawRead: 1,
	} {
		t.Run(mode, func(t *testing.T) {
			run := yardstick.Run{Mode: mode, Count: count, Frame: heartbeat(), Addrs: r.Addrs(), WarmUp: 20 * time.Millisecond, Window: 100 * time.Millisecond}
			if mode == yardstick.RawRead {
				run.Frame = fetch()
			}
			out, err := exec.CommandContext(t.Context(), bin, run.Args()...).Output()
			if err != nil {
				t.Fatal(err)
			}
			got, err := yardstick.Parse(out)
			if err != nil {
				t.Fatal(err)
			}
			want := 16 // Heartbeat v4: size, id, tags, throttle, error, tags
			if mode == yardstick.RawRead {
				want = got.AnswerBytes
				if want < fetchBytes {
					t.Errorf("answers of %d bytes", want)
				}
			}
			if got.Requests == 0 || got.Samples != got.Requests || got.AnswerBytes != want ||
				got.Seconds < 0.09 || got.P50 <= 0 || got.P99 < got.P50 || got.Max < got.P999*0.98 || got.CPUSeconds <= 0 {
				t.Errorf("%+v", got)
			}
			if rests := mode == yardstick.RestPipe || mode == yardstick.RestMany; rests && got.P50 < 900 {
				t.Errorf("half of the answers took less than a rest: %v µs", got.P50)
			}
		})
	}
}
