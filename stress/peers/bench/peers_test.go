package main

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"kafkaio/stress/internal/responder"
	"kafkaio/stress/peers/internal/drive"
	"kafkaio/stress/peers/internal/front"
	"kafkaio/stress/peers/internal/identity"
	"kafkaio/stress/peers/internal/own"
	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// TestEveryPeerDoesItsWorks runs each client written in Go through each work
// that it can do, with fewer connections; over TLS only those of a full run, as
// an idle work takes more than a second.
func TestEveryPeerDoesItsWorks(t *testing.T) {
	s := servers{dir: t.TempDir()}
	if err := identity.Write(s.dir); err != nil {
		t.Fatal(err)
	}
	client, err := identity.Client(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	const patience = 20 * time.Second
	for _, name := range peerNames() {
		if _, c := work.Yardsticks[name]; c {
			continue
		}
		open, err := opener(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range work.All {
			if !w.Can(name) || (w.Security != work.Plaintext && !slices.Contains(w.Pinned, name)) {
				continue
			}
			w.Conns, w.Callers, w.Brokers = min(w.Conns, 20), min(w.Callers, 20), min(w.Brokers, 20)
			if w.Brokers > 0 && runtime.GOOS != "linux" {
				continue // there may be one loopback address only
			}
			t.Run(name+" "+w.Name, func(t *testing.T) {
				e := peer.Env{Work: w, Addrs: s.addrs(t, w)}
				if w.Security != work.Plaintext {
					e.TLS = client
				}
				var r work.Result
				// A busy machine needs a longer window for the first answer.
				for d := (work.Durations{WarmUp: 10 * time.Millisecond, Window: 60 * time.Millisecond}); ; d.Window *= 4 {
					r, err = drive.Run(t.Context(), open, e, d)
					if err != nil && unavailable(name, err) {
						t.Skip(err)
					}
					if err != nil || r.Error != "" {
						t.Fatal(err, r.Error)
					}
					if w.Idle || w.Setup || r.Requests > 0 && r.Samples > 0 || d.Window > patience/4 {
						break
					}
				}
				if w.Busy && r.LiveBytes <= 0 { // not MemoryBytes, which comes and goes by pages: there are only twenty
					t.Errorf("%+v: want that requests in flight weigh something", r)
				}
				if w.Setup && (r.Conns != w.Conns || r.CPUSeconds <= 0) {
					t.Errorf("%+v", r)
				}
				if !w.Idle && !w.Setup && (r.Requests == 0 || r.Samples == 0) {
					t.Errorf("%+v", r)
				}
			})
		}
	}
	s.close(t)
}

// servers are a responder or a front for each kind of answer.
type servers struct {
	dir     string // with the certificates
	started []server
}

type server struct {
	fetchBytes int
	security   work.Security
	brokers    int
	busy       bool
	addrs      []string
	end        func() error
}

func (s *servers) addrs(t *testing.T, w work.Work) []string {
	t.Helper()
	for _, k := range s.started {
		if k.fetchBytes == w.FetchBytes && k.security == w.Security && k.brokers == w.Brokers && k.busy == w.Busy {
			return k.addrs
		}
	}
	k := server{fetchBytes: w.FetchBytes, security: w.Security, brokers: w.Brokers, busy: w.Busy}
	cfg := responder.Config{Topic: work.Topic, FetchBytes: w.FetchBytes}
	if w.Brokers > 0 {
		var err error
		if cfg.Addrs, err = responder.Loopback(w.Brokers); err != nil {
			t.Fatal(err)
		}
		cfg.Partitions = int32(w.Brokers)
	}
	if w.Busy {
		cfg.Withhold = withheld
	}
	if w.Security == work.Plaintext {
		r, err := responder.Start(cfg)
		if err != nil {
			t.Fatal(err)
		}
		k.addrs = r.Addrs()
		k.end = func() error {
			if s := r.Stats(); s.ClosedUnknown+s.ClosedMalformed > 0 {
				return fmt.Errorf("the responder did not understand: %+v", s)
			}
			return r.Close()
		}
	} else {
		id, err := identity.Server(s.dir, w.Security)
		if err != nil {
			t.Fatal(err)
		}
		f, err := front.Start(front.Config{Addrs: []string{"127.0.0.1:0"}, TLS: id, Answers: cfg})
		if err != nil {
			t.Fatal(err)
		}
		k.addrs = f.Addrs()
		k.end = func() error { return errors.Join(f.Failed(), f.Close()) }
	}
	s.started = append(s.started, k)
	return k.addrs
}

func (s *servers) close(t *testing.T) {
	t.Helper()
	for _, k := range s.started {
		if err := k.end(); err != nil {
			t.Error(err)
		}
	}
}

// unavailable allows only a variant of ours to be missing in a build.
func unavailable(name string, err error) bool {
	return slices.ContainsFunc(own.Variants, func(v own.Variant) bool { return v.Name == name }) &&
		strings.Contains(err.Error(), peer.ErrUnavailable.Error())
}
