package yardstick_test

import (
	"errors"
	"os/exec"
	"testing"
	"time"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/peers/internal/work"
	"kafkaio/stress/peers/yardstick"
)

func TestEveryModeMeasures(t *testing.T) {
	bin, err := yardstick.Build(t.Context(), t.TempDir())
	if errors.Is(err, yardstick.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := responder.Start(responder.Config{FetchBytes: 1 << 20, Topic: work.Topic})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	d := work.Durations{WarmUp: 20 * time.Millisecond, Window: 100 * time.Millisecond}
	for peer, workName := range map[string]string{
		work.CSpin: "rtt-1", work.CBlock: "rtt-1", work.CEpollPipe: "conn1-callers16",
		work.CEpollMany: "conns256-submit", work.CRawRead: "large1m-rt",
	} {
		t.Run(peer, func(t *testing.T) {
			w, ok := work.Find(workName)
			if !ok || !w.Can(peer) {
				t.Fatalf("%s is not for %s", workName, peer)
			}
			args := yardstick.Args(work.Yardsticks[peer], w, d, w.Frame(), r.Addrs())
			out, err := exec.CommandContext(t.Context(), bin, args...).Output()
			if err != nil {
				t.Fatal(err)
			}
			got, err := yardstick.Parse(out)
			if err != nil {
				t.Fatal(err)
			}
			want := 16 // Heartbeat v4: size, id, tags, throttle, error, tags
			if w.FetchBytes > 0 {
				want = got.AnswerBytes
				if want < w.FetchBytes {
					t.Errorf("answers of %d bytes", want)
				}
			}
			if got.Requests == 0 || got.Samples != got.Requests || got.AnswerBytes != want ||
				got.Seconds < 0.09 || got.P50 <= 0 || got.P99 < got.P50 || got.Max < got.P999*0.98 || got.CPUSeconds <= 0 {
				t.Errorf("%+v", got)
			}
		})
	}
}
