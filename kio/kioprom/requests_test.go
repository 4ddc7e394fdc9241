package kioprom_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
	"kafkaio/internal/hostile"
	"kafkaio/kio"
	"kafkaio/kio/kioprom"
)

func TestRequestMetricsFollowAConnection(t *testing.T) {
	cfg := config(t)
	m := kioprom.NewRequestMetrics(kioprom.RequestConfig{ConstLabels: prometheus.Labels{"cluster": "test"}})
	cfg.Hooks = m.Hooks(nil)
	r := register(t, m)
	b, err := kio.DialBroker(t.Context(), brokers(t, kfake.NumBrokers(1)).ListenAddrs()[0], cfg)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the write is counted, which its answer may overtake", func() bool { return b.Stats().PendingBytes == 0 })
	s := b.Stats()
	_ = b.Close()
	eventually(t, "the end has been told", func() bool {
		return r.gather(t).value(t, "kafkaio_disconnects_total class=closed cluster=test") == 1
	})
	got := r.gather(t)
	got.want(t, map[string]float64{
		"kafkaio_connect_seconds cluster=test result=opened":                  1,
		"kafkaio_connect_seconds cluster=test result=failed":                  0,
		"kafkaio_request_seconds api=Metadata cluster=test":                   3,
		"kafkaio_request_seconds api=ApiVersions cluster=test":                1,
		"kafkaio_request_phase_seconds api=Metadata cluster=test phase=queue": 3,
		"kafkaio_request_phase_seconds api=Metadata cluster=test phase=write": 3,
		"kafkaio_request_phase_seconds api=Metadata cluster=test phase=wait":  3,
		"kafkaio_request_phase_seconds api=Metadata cluster=test phase=read":  3,
	})
	sum := func(name string) float64 {
		return got.value(t, name+" api=Metadata cluster=test") + got.value(t, name+" api=ApiVersions cluster=test")
	}
	if sent, received := sum("kafkaio_request_sent_bytes_total"), sum("kafkaio_request_received_bytes_total"); sent != float64(s.BytesSent) || received != float64(s.BytesRead) {
		t.Errorf("%v bytes sent, %v received; want %d, %d", sent, received, s.BytesSent, s.BytesRead)
	}
	total := got["kafkaio_request_seconds api=Metadata cluster=test"].Histogram.GetSampleSum()
	phases := 0.0
	for _, phase := range []string{"queue", "write", "wait", "read"} {
		phases += got["kafkaio_request_phase_seconds api=Metadata cluster=test phase="+phase].Histogram.GetSampleSum()
	}
	if diff := total - phases; total == 0 || diff > 1e-6 || diff < -1e-6 {
		t.Errorf("requests took %v s, their phases %v s", total, phases)
	}
}

func TestFailedConnectsCountByStep(t *testing.T) {
	cfg := config(t)
	m := kioprom.NewRequestMetrics(kioprom.RequestConfig{})
	cfg.Hooks = m.Hooks(nil)
	if _, err := kio.DialBroker(t.Context(), hostile.Refused(t), cfg); err == nil {
		t.Fatal("connected")
	}
	register(t, m).gather(t).want(t, map[string]float64{
		"kafkaio_connect_seconds result=failed":     1,
		"kafkaio_connect_errors_total step=connect": 1,
	})
}

func TestNoPhases(t *testing.T) {
	_ = config(t)
	m := kioprom.NewRequestMetrics(kioprom.RequestConfig{NoPhases: true, Buckets: []float64{1}})
	r := register(t, m)
	m.Hooks(nil).OnRequest(kio.ConnInfo{}, kio.RequestInfo{Key: 3, Total: time.Millisecond})
	got := r.gather(t)
	for key := range got {
		if strings.HasPrefix(key, "kafkaio_request_phase_seconds") {
			t.Errorf("series %s", key)
		}
	}
	if n := len(got["kafkaio_request_seconds api=Metadata"].GetHistogram().GetBucket()); n != 1 {
		t.Errorf("%d buckets, want 1", n)
	}
}

// What a request has not come to is not observed as having taken no time.
func TestPhasesThatARequestHasNotComeTo(t *testing.T) {
	const s = time.Second
	for name, tt := range map[string]struct {
		r    kio.RequestInfo
		want [4]uint64 // observations of queue, write, wait, read
	}{
		"answered at once":      {kio.RequestInfo{}, [4]uint64{1, 1, 1, 1}},
		"one way":               {kio.RequestInfo{OneWay: true, Queue: s}, [4]uint64{1, 1, 0, 0}},
		"given up in the queue": {kio.RequestInfo{Queue: s, Err: os.ErrDeadlineExceeded}, [4]uint64{1, 0, 0, 0}},
		"unanswered":            {kio.RequestInfo{Queue: s, Write: s, Wait: s, Err: io.EOF}, [4]uint64{1, 1, 1, 0}},
	} {
		m := kioprom.NewRequestMetrics(kioprom.RequestConfig{})
		m.Hooks(nil).OnRequest(kio.ConnInfo{}, tt.r)
		got := register(t, m).gather(t)
		for i, phase := range []string{"queue", "write", "wait", "read"} {
			if n := got["kafkaio_request_phase_seconds api=Produce phase="+phase].GetHistogram().GetSampleCount(); n != tt.want[i] {
				t.Errorf("%s: %d observations of %s, want %d", name, n, phase, tt.want[i])
			}
		}
	}
}

// Whatever keys are sent, there are no more values than the encoder has names.
func TestLabelsOfKeysAreBounded(t *testing.T) {
	m := kioprom.NewRequestMetrics(kioprom.RequestConfig{NoPhases: true})
	h := m.Hooks(nil)
	for key := -1 << 15; key < 1<<15; key++ {
		h.OnRequest(kio.ConnInfo{}, kio.RequestInfo{Key: int16(key), BytesSent: 1})
	}
	got := register(t, m).gather(t)
	names := 0
	for key := range got {
		if strings.HasPrefix(key, "kafkaio_request_seconds ") {
			names++
		}
	}
	if names > kmsg.MaxKey+3 || names < 50 {
		t.Errorf("%d names of APIs", names)
	}
	got.want(t, map[string]float64{
		"kafkaio_request_seconds api=SASLToken":          1,
		"kafkaio_request_sent_bytes_total api=Heartbeat": 1,
		"kafkaio_request_sent_bytes_total api=Fetch":     1,
	})
	if n := got.value(t, "kafkaio_request_sent_bytes_total api=Unknown"); n < 1<<15 {
		t.Errorf("%v unknown requests", n)
	}
}

func TestClassesOfErrors(t *testing.T) {
	for want, errs := range map[kio.ErrorClass][]error{
		kio.ErrorTimeout:    {os.ErrDeadlineExceeded, context.DeadlineExceeded, &kio.Error{Err: os.ErrDeadlineExceeded}},
		kio.ErrorCancelled:  {context.Canceled},
		kio.ErrorRefused:    {kio.ErrQueueFull},
		kio.ErrorClosed:     {net.ErrClosed, kio.ErrDraining},
		kio.ErrorPeer:       {io.EOF, syscall.ECONNRESET, syscall.EPIPE, &kio.CutError{}},
		kio.ErrorProtocol:   {&kio.CorrelationError{}, &frame.SizeError{}},
		kio.ErrorUnanswered: {kio.ErrUnanswered, kio.ErrStalled, kio.ErrPoisoned},
		kio.ErrorPanic:      {&kio.PanicError{Value: io.EOF}},
		kio.ErrorNetwork:    {syscall.ETIMEDOUT, syscall.EHOSTUNREACH, errors.New("anything")},
	} {
		for _, err := range errs {
			m := kioprom.NewRequestMetrics(kioprom.RequestConfig{})
			h := m.Hooks(nil)
			h.OnRequest(kio.ConnInfo{}, kio.RequestInfo{Err: fmt.Errorf("wrapped: %w", err)})
			h.OnDisconnect(kio.ConnInfo{}, err)
			got := register(t, m).gather(t)
			if got["kafkaio_request_errors_total api=Produce class="+want.String()] == nil {
				t.Errorf("%T %v: not of the class %v", err, err, want)
			}
			got.want(t, map[string]float64{"kafkaio_disconnects_total class=" + want.String(): 1})
		}
	}
}

func TestHooksTellTheNextOnes(t *testing.T) {
	var told []string
	next := &kio.Hooks{
		OnConnect:    func(kio.ConnInfo, time.Duration, error) { told = append(told, "connect") },
		OnDisconnect: func(kio.ConnInfo, error) { told = append(told, "disconnect") },
		OnWrite:      func(kio.ConnInfo, kio.WriteInfo) { told = append(told, "write") },
		OnRead:       func(kio.ConnInfo, kio.ReadInfo) { told = append(told, "read") },
		OnRequest:    func(kio.ConnInfo, kio.RequestInfo) { told = append(told, "request") },
		OnThrottle:   func(kio.ConnInfo, time.Duration, time.Duration) { told = append(told, "throttle") },
	}
	m := kioprom.NewRequestMetrics(kioprom.RequestConfig{})
	h := m.Hooks(next)
	*next = kio.Hooks{} // which is not kept
	h.OnConnect(kio.ConnInfo{}, 0, nil)
	h.OnDisconnect(kio.ConnInfo{}, nil)
	h.OnWrite(kio.ConnInfo{}, kio.WriteInfo{})
	h.OnRead(kio.ConnInfo{}, kio.ReadInfo{})
	h.OnRequest(kio.ConnInfo{}, kio.RequestInfo{})
	h.OnThrottle(kio.ConnInfo{}, 2*time.Second, time.Second)
	if want := []string{"connect", "disconnect", "write", "read", "request", "throttle"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	got := register(t, m).gather(t)
	got.want(t, map[string]float64{"kafkaio_throttle_seconds": 1})
	if sum := got["kafkaio_throttle_seconds"].Histogram.GetSampleSum(); sum != 2 {
		t.Errorf("throttled for %v s, want the 2 that the broker asked for", sum)
	}
	if h := m.Hooks(nil); h.OnWrite != nil || h.OnRead != nil {
		t.Error("hooks of writes and reads, which nobody wants, are set")
	}
}

func TestBadConstantLabelsOfRequestsAreRefused(t *testing.T) {
	for _, name := range []string{"", "__name__", "api", "class", "step"} {
		m := kioprom.NewRequestMetrics(kioprom.RequestConfig{ConstLabels: prometheus.Labels{name: "x"}})
		if err := prometheus.NewRegistry().Register(m); err == nil {
			t.Errorf("metrics with the constant label %q were registered", name)
		}
	}
}
