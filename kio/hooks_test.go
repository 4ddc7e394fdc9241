package kio_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// told collects what hooks are told.
type told struct {
	mu       sync.Mutex
	events   []string // in order, without those of writes and reads
	conns    []kio.ConnInfo
	errs     []error // of OnConnect and OnDisconnect
	requests []kio.RequestInfo
	writes   kio.WriteInfo // sums
	reads    kio.ReadInfo
}

func (h *told) add(c kio.ConnInfo, format string, args ...any) {
	h.events = append(h.events, fmt.Sprintf(format, args...))
	h.conns = append(h.conns, c)
}

func (h *told) hooks() *kio.Hooks {
	return &kio.Hooks{
		OnConnect: func(c kio.ConnInfo, elapsed time.Duration, err error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.add(c, "connect %t", err == nil && elapsed > 0)
			h.errs = append(h.errs, err)
		},
		OnDisconnect: func(c kio.ConnInfo, cause error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.add(c, "disconnect")
			h.errs = append(h.errs, cause)
		},
		OnWrite: func(_ kio.ConnInfo, w kio.WriteInfo) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.writes.Requests += w.Requests
			h.writes.Bytes += w.Bytes
		},
		OnRead: func(_ kio.ConnInfo, r kio.ReadInfo) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.reads.Responses += r.Responses
			h.reads.Bytes += r.Bytes
		},
		OnRequest: func(c kio.ConnInfo, r kio.RequestInfo) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.add(c, "request %d", r.Key)
			h.requests = append(h.requests, r)
		},
		OnThrottle: func(c kio.ConnInfo, asked, waits time.Duration) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.add(c, "throttle %v %v", asked, waits)
		},
	}
}

// seen are the events so far.
func (h *told) seen() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.events)
}

// sums are the writes and reads so far.
func (h *told) sums() (kio.WriteInfo, kio.ReadInfo) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.writes, h.reads
}

// end waits for the n-th error and gives it.
func (h *told) end(t *testing.T, n int) error {
	t.Helper()
	count := func() int {
		h.mu.Lock()
		defer h.mu.Unlock()
		return len(h.errs)
	}
	eventually(t, "another hook", func() bool { return count() > n })
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.errs[n]
}

func TestHooksFollowAConnection(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		h := &told{}
		cfg.Hooks = h.hooks()
		cfg.AllowPlaintextSASL, cfg.SASL = true, []sasl.Mechanism{alice}
		const asked, waits = 300 * time.Millisecond, 100 * time.Millisecond
		cfg.MaxThrottle = waits
		s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), throttle: asked}
		b := mustDialBroker(t, s.listen(t), cfg)
		heartbeat(t, b, 4)
		ask(t, b)
		_ = b.Close()
		stats := b.Stats()
		cause := h.end(t, 1)
		wantIs(t, cause, net.ErrClosed)
		want := []string{"request 18", "request 17", "request 36", "connect true", "request 12", "throttle 300ms 100ms", "request 3", "disconnect"}
		if got := h.seen(); !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
		for _, c := range h.conns {
			if c != h.conns[0] || c.ID == 0 || c.Addr != b.Addr() || c.Local != b.LocalAddr().String() || c.Remote != b.RemoteAddr().String() {
				t.Errorf("told of the connection %+v, want the same each time, and its addresses", c)
			}
		}
		eventually(t, "all writes told", func() bool { w, _ := h.sums(); return w.Requests >= 5 }) // an answer may come before its write is
		if w, r := h.sums(); w.Requests != 5 || uint64(w.Bytes) != stats.BytesSent || r.Responses != 5 || uint64(r.Bytes) != stats.BytesRead {
			t.Errorf("writes %+v, reads %+v; want 5 requests and answers, and the bytes of %+v", w, r, stats)
		}
		for _, r := range h.requests {
			if r.Queue+r.Write+r.Wait+r.Read != r.Total || r.Err != nil || r.BytesReceived == 0 {
				t.Errorf("told of %+v", r)
			}
		}
		if held := h.requests[4]; held.Queue < waits/2 {
			t.Errorf("a request that was throttled for %v: %+v", waits, held)
		}
	})
}

// Every attempt that comes to nothing is told of with the caller's error, and never of its end.
func TestHooksFollowFailedAttempts(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := ln.Addr().String()
	_ = ln.Close()
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		h := &told{}
		cfg.Hooks = h.hooks()
		cfg.AllowPlaintextSASL = true
		_, err := kio.DialBroker(t.Context(), closed, cfg)
		if got := h.end(t, 0); got != err { //nolint:errorlint // the very same
			t.Errorf("told of %v, the dial returned %v", got, err)
		}
		if c := h.conns[0]; c.Local != "" || c.Remote != "" || c.Addr != closed {
			t.Errorf("told of %+v, want no more than the address that was dialled", c)
		}
		_, err = kio.Dial(t.Context(), closed, cfg)
		if got := h.end(t, 1); got != err { //nolint:errorlint // the very same
			t.Errorf("told of %v, the dial returned %v", got, err)
		}
		s := &strictBroker{offered: []string{"PLAIN"}, verify: password("another")}
		cfg.SASL = []sasl.Mechanism{alice}
		_, err = kio.DialBroker(t.Context(), s.listen(t), cfg)
		if got := h.end(t, 2); got != err { //nolint:errorlint // the very same
			t.Errorf("told of %v, the dial returned %v", got, err)
		}
		if c := h.conns[len(h.conns)-1]; c.Local == "" || c.Remote == "" {
			t.Errorf("told of %+v, want the addresses of the connection that was refused", c)
		}
		if _, err = kio.DialBroker(t.Context(), "nonsense:0", cfg); err == nil {
			t.Error("no error")
		}
		want := []string{"connect false", "connect false", "request 18", "request 17", "request 36", "connect false"}
		if got := h.seen(); !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
	})
}

func TestHooksFollowAFallbackToAnotherMechanism(t *testing.T) {
	cfg := config(t)
	h := &told{}
	cfg.Hooks = &kio.Hooks{OnConnect: h.hooks().OnConnect, OnDisconnect: h.hooks().OnDisconnect}
	cfg.AllowPlaintextSASL = true
	cfg.SASL = []sasl.Mechanism{scram.Auth{User: "alice", Pass: "alice-secret"}.AsSha512Mechanism(), alice}
	s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret")}
	b := mustDialBroker(t, s.listen(t), cfg)
	var refused *kio.AuthError
	if err := h.end(t, 0); !errors.As(err, &refused) || asError(t, err).Code != kio.CodeCannotConnect {
		t.Errorf("the first attempt ended with %v, want the broker's refusal", err)
	}
	_ = b.Close()
	_ = h.end(t, 2)
	if got, want := h.seen(), []string{"connect false", "connect true", "disconnect"}; !slices.Equal(got, want) {
		t.Errorf("told of %q, want %q", got, want)
	}
	if h.conns[0].ID == h.conns[1].ID || h.conns[1].ID != h.conns[2].ID {
		t.Errorf("told of %+v, want two connections", h.conns)
	}
}

// The error that OnRequest is told is the one that the caller gets.
func TestHooksSeeTheCallersErrors(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		h := &told{}
		cfg.Hooks, cfg.OpenRaw = h.hooks(), true
		b := mustDialBroker(t, hostile.Listen(t, hostile.Stall).Addr(), cfg)
		r := request(3, 1, "")
		var want []string
		ctx, cancel := context.WithTimeout(t.Context(), short)
		defer cancel()
		_, err := b.RoundTrip(ctx, r)
		want = append(want, err.Error())
		wantIs(t, err, os.ErrDeadlineExceeded)
		ended := make(chan error, 1)
		if err := b.Submit(r, time.Now().Add(short), func(_ []byte, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		want = append(want, (<-ended).Error())
		if err := b.SendOneWay(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if err := b.Submit(r, time.Time{}, func(_ []byte, err error) { ended <- err }); err != nil {
			t.Fatal(err)
		}
		_ = b.Close()
		want = append(want, "", (<-ended).Error())
		if _, err := b.RoundTrip(t.Context(), r); err == nil {
			t.Error("no error after Close") // and no hook, as it was not accepted
		}
		if len(h.requests) != len(want) {
			t.Fatalf("told of %d requests, want %d", len(h.requests), len(want))
		}
		for i, r := range h.requests {
			got := ""
			if r.Err != nil {
				got = asError(t, r.Err).Error()
			}
			if got != want[i] || r.OneWay != (want[i] == "") {
				t.Errorf("request %d: told of %q, the caller has %q", i, got, want[i])
			}
		}
		if s := b.Stats(); s.Errors[kio.ErrorTimeout] != 2 || s.Errors[kio.ErrorClosed] != 1 || s.Errors[kio.ErrorNoConnection] != 1 {
			t.Errorf("errors by class: %v", s.Errors)
		}
		_ = h.end(t, 1) // OnDisconnect, before the test's end
	})
}

// A connection that ends while OnConnect is told of it is told of in order.
func TestDisconnectFollowsConnect(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		h := &told{}
		inner := h.hooks()
		gone := make(chan struct{})
		cfg.OpenRaw = true
		cfg.Hooks = &kio.Hooks{
			OnConnect: func(c kio.ConnInfo, elapsed time.Duration, err error) {
				close(gone)
				eventually(t, "the end", func() bool { return cfg.Engine.Conns() == 0 })
				inner.OnConnect(c, elapsed, err)
			},
			OnDisconnect: inner.OnDisconnect,
		}
		_ = mustDialBroker(t, hostile.Listen(t, hostile.Seq(func(*hostile.Peer) { <-gone }, hostile.CloseOnAccept)).Addr(), cfg)
		wantIs(t, h.end(t, 1), io.EOF)
		if got, want := h.seen(), []string{"connect true", "disconnect"}; !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}
	})
}

func TestHooksThatPanic(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		other := mustDialBroker(t, (&strictBroker{}).listen(t), cfg)
		isPanic := func(err error) bool {
			var p *kio.PanicError
			return errors.As(err, &p) && p.Value == "hook"
		}
		s := &strictBroker{throttle: time.Hour}
		addr := s.listen(t)

		cfg.Hooks = &kio.Hooks{OnConnect: func(kio.ConnInfo, time.Duration, error) { panic("hook") }}
		if _, err := kio.DialBroker(t.Context(), addr, cfg); !isPanic(err) {
			t.Errorf("a dial whose hook panics: %v", err)
		}
		if _, err := kio.Dial(t.Context(), addr, cfg); !isPanic(err) {
			t.Errorf("a dial whose hook panics: %v", err)
		}

		entered := make(chan struct{})
		cfg.Hooks = &kio.Hooks{OnDisconnect: func(kio.ConnInfo, error) {
			defer close(entered)
			panic("hook")
		}}
		_ = mustDialBroker(t, addr, cfg).Close()
		<-entered

		cfg.Hooks = &kio.Hooks{OnThrottle: func(kio.ConnInfo, time.Duration, time.Duration) { panic("hook") }}
		b := mustDialBroker(t, addr, cfg)
		heartbeat(t, b, 4)
		<-b.Done()
		if !isPanic(b.Err()) {
			t.Errorf("a connection whose hook has panicked has ended with %v", b.Err())
		}

		cfg.Hooks = &kio.Hooks{OnRequest: func(_ kio.ConnInfo, r kio.RequestInfo) {
			if r.Key != int16(kmsg.ApiVersions) {
				panic("hook")
			}
		}}
		b = mustDialBroker(t, addr, cfg)
		ask(t, b)
		<-b.Done()
		if !isPanic(b.Err()) || b.Stats().LastError == nil {
			t.Errorf("a connection whose hook has panicked has ended with %v, Stats %+v", b.Err(), b.Stats())
		}
		ask(t, other)
	})
}

func TestHooksFollowAConnOfBytes(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		h := &told{}
		cfg.Hooks = h.hooks()
		c := dialScript(t, cfg, hostile.Echo)
		for range 3 {
			if _, err := c.Send(make([]byte, 10), 0); err != nil {
				t.Fatal(err)
			}
			if _, err := c.Receive(10, 0); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := c.Write(make([]byte, 7)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.TryReceive(1, 0); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(c, make([]byte, 6)); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		wantIs(t, h.end(t, 1), net.ErrClosed)
		if h.writes != (kio.WriteInfo{Bytes: 37}) || h.reads != (kio.ReadInfo{Bytes: 37}) {
			t.Errorf("writes %+v, reads %+v; want 37 bytes each", h.writes, h.reads)
		}
		if got, want := h.seen(), []string{"connect true", "disconnect"}; !slices.Equal(got, want) {
			t.Errorf("told of %q, want %q", got, want)
		}

		cfg.Hooks = &kio.Hooks{OnRead: func(kio.ConnInfo, kio.ReadInfo) { panic("hook") }}
		c = dialScript(t, cfg, hostile.Echo)
		knock(t, c)
		_, _ = c.Receive(1, 0)
		var p *kio.PanicError
		if _, err := c.Send([]byte{1}, 0); !errors.As(err, &p) {
			t.Errorf("after a hook has panicked: %v", err)
		}
	})
}

// What hooks are given has no room for a byte of what is sent or received.
func TestHooksAreShownNoBytes(t *testing.T) {
	var check func(path string, in reflect.Type)
	check = func(path string, in reflect.Type) {
		switch in.Kind() {
		case reflect.Struct:
			for i := range in.NumField() {
				check(path+"."+in.Field(i).Name, in.Field(i).Type)
			}
		case reflect.String:
			if name := path[strings.LastIndexByte(path, '.')+1:]; !slices.Contains([]string{"Addr", "Local", "Remote"}, name) {
				t.Errorf("%s is a string", path)
			}
		case reflect.Interface, reflect.Bool, reflect.Int, reflect.Int16, reflect.Int32, reflect.Int64, reflect.Uint64:
		default:
			t.Errorf("%s is a %v", path, in)
		}
	}
	hooks := reflect.TypeFor[kio.Hooks]()
	for i := range hooks.NumField() {
		f := hooks.Field(i)
		for j := range f.Type.NumIn() {
			check(fmt.Sprintf("%s(%d)", f.Name, j), f.Type.In(j))
		}
	}
}

// A snapshot of a connection is tied to what hooks and log tell of it.
func TestStatsNameConnectionsAsHooksDo(t *testing.T) {
	cfg := config(t)
	addrs := []string{(&strictBroker{}).listen(t), (&strictBroker{}).listen(t)}
	if id := mustDialBroker(t, addrs[0], cfg).Stats().ID; id != 0 {
		t.Errorf("a connection that nobody watches has the id %d", id)
	}
	var mu sync.Mutex
	told := make(map[uint64]string)
	cfg.Hooks = &kio.Hooks{OnConnect: func(c kio.ConnInfo, _ time.Duration, err error) {
		mu.Lock()
		defer mu.Unlock()
		told[c.ID] = c.Addr
	}}
	c := standalone(t, cfg, addrs...)
	for node := range addrs {
		if err := errors.Join(beat(t.Context(), c, int32(node)), fetch(t.Context(), c)); err != nil {
			t.Fatal(err)
		}
	}
	known := 0
	for _, n := range c.Stats().Nodes {
		for _, s := range n.Conns {
			mu.Lock()
			addr, ok := told[s.ID]
			delete(told, s.ID)
			mu.Unlock()
			if !ok || addr != n.Addr {
				t.Errorf("the id %d of a connection to %s was told of one to %q", s.ID, n.Addr, addr)
			}
			known++
		}
	}
	if known != 3 || len(told) != 0 {
		t.Errorf("%d connections, and hooks were told of %v besides; want 3 and none", known, told)
	}
}
