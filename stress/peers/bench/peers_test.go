package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/peers/internal/drive"
	"kafkaio/stress/peers/internal/own"
	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// TestEveryPeerDoesItsWorks runs each client written in Go through each work
// that it can do, with fewer connections.
func TestEveryPeerDoesItsWorks(t *testing.T) {
	small, err := responder.Start(responder.Config{Topic: work.Topic})
	if err != nil {
		t.Fatal(err)
	}
	defer small.Close()
	large, err := responder.Start(responder.Config{Topic: work.Topic, FetchBytes: work.LargeBytes})
	if err != nil {
		t.Fatal(err)
	}
	defer large.Close()
	d := work.Durations{WarmUp: 10 * time.Millisecond, Window: 60 * time.Millisecond}
	for _, name := range peerNames() {
		if _, c := work.Yardsticks[name]; c {
			continue
		}
		open, err := opener(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range work.All {
			if !w.Can(name) {
				continue
			}
			w.Conns, w.Callers = min(w.Conns, 20), min(w.Callers, 20)
			t.Run(name+" "+w.Name, func(t *testing.T) {
				e := peer.Env{Work: w, Addrs: small.Addrs()}
				if w.Large {
					e.Addrs = large.Addrs()
				}
				r, err := drive.Run(t.Context(), open, e, d)
				if err != nil && unavailable(name, err) {
					t.Skip(err)
				}
				if err != nil || r.Error != "" {
					t.Fatal(err, r.Error)
				}
				if !w.Idle && (r.Requests == 0 || r.Samples == 0) {
					t.Errorf("%+v", r)
				}
			})
		}
	}
	if s := small.Stats(); s.ClosedUnknown+s.ClosedMalformed > 0 {
		t.Errorf("the responder did not understand: %+v", s)
	}
}

// unavailable allows only a variant of ours to be missing in a build.
func unavailable(name string, err error) bool {
	return slices.ContainsFunc(own.Variants, func(v own.Variant) bool { return v.Name == name }) &&
		strings.Contains(err.Error(), peer.ErrUnavailable.Error())
}
