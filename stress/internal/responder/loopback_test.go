package responder_test

import (
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/internal/responder"
)

func TestAThousandAddressesAnswer(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux is known to have all of 127.0.0.0/8 without being asked")
	}
	addrs, err := responder.Loopback(1000)
	if err != nil {
		t.Fatal(err)
	}
	seen := make(map[string]bool)
	for _, a := range addrs {
		host, _, err := net.SplitHostPort(a)
		if err != nil || !net.ParseIP(host).IsLoopback() || seen[host] {
			t.Fatalf("%s (%v): want a loopback address that was not there before", a, err)
		}
		seen[host] = true
	}
	r := start(t, responder.Config{Addrs: addrs})
	for i, a := range addrs {
		c := dial(t, a)
		write(t, c, encode(kmsg.NewPtrHeartbeatRequest(), 4, int32(i)))
		if id, _ := readFrame(t, c); id != int32(i) {
			t.Fatalf("%s: answer to %d, want %d", a, id, i)
		}
		c.Close()
	}
	if s := r.Stats(); s.Answers != 1000 {
		t.Errorf("%d answers, want 1,000", s.Answers)
	}
}

func TestLoopbackRefuses(t *testing.T) {
	for _, n := range []int{0, -1, 1 << 30} {
		if _, err := responder.Loopback(n); err == nil || !strings.Contains(err.Error(), "loopback addresses, must be 1 to") {
			t.Errorf("%d: %v", n, err)
		}
	}
}

func TestWithholdLeavesOneKeyWithoutAnswers(t *testing.T) {
	r := start(t, responder.Config{Withhold: []int16{int16(kmsg.Heartbeat)}})
	c := dial(t, r.Addrs()[0])
	write(t, c, encode(kmsg.NewPtrHeartbeatRequest(), 4, 1))
	write(t, c, encode(kmsg.NewPtrMetadataRequest(), 9, 2))
	if id, _ := readFrame(t, c); id != 2 {
		t.Fatalf("answer to %d, want 2: the Heartbeat has none", id)
	}
	if s := r.Stats(); s.Requests != 2 || s.Answers != 1 || s.Dropped != 1 {
		t.Errorf("%d requests, %d answers, %d dropped; want 2, 1, 1", s.Requests, s.Answers, s.Dropped)
	}
}
