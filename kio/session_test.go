package kio_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl"
	"github.com/twmb/franz-go/pkg/sasl/plain"

	"kafkaio/internal/hostile"
	"kafkaio/kio"
)

// hammer asks for a topic of each caller's own until there were so many re-authentications, and once more, and checks every answer. It gives their number.
func hammer(t *testing.T, b *kio.Broker, callers int, renewals uint64) int64 {
	t.Helper()
	var answered atomic.Int64
	var wg sync.WaitGroup
	end := time.Now().Add(patience)
	for g := range callers {
		wg.Go(func() {
			for i, last := 0, false; !last; i++ {
				last = b.Stats().Reauthentications >= renewals || time.Now().After(end)
				topic := fmt.Sprintf("%d-%d", g, i)
				r := kmsg.NewPtrMetadataRequest()
				rt := kmsg.NewMetadataRequestTopic()
				rt.Topic = &topic
				r.Topics = append(r.Topics, rt)
				m, err := r.RequestWith(context.Background(), b)
				if err != nil {
					t.Errorf("after %d answers: %v", answered.Load(), err)
					return
				}
				if len(m.Topics) != 1 || m.Topics[0].Topic == nil || *m.Topics[0].Topic != topic {
					t.Errorf("asked for %s, was told of %+v", topic, m.Topics)
					return
				}
				answered.Add(1)
			}
		})
	}
	wg.Wait()
	return answered.Load()
}

func TestSessionsAreRenewedUnderLoadWithoutALoss(t *testing.T) {
	for _, tt := range []struct {
		lifetime time.Duration
		renewals uint64
	}{
		{2 * time.Second, 1},
		{time.Second, 2},
		// Shorter than brokers let anybody renew it. A third of it has to be enough for what is in flight, also on a busy machine.
		{900 * time.Millisecond, 2},
	} {
		t.Run(tt.lifetime.String(), func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), lifetime: tt.lifetime}
				cfg.AllowPlaintextSASL, cfg.SASL = true, []sasl.Mechanism{alice}
				b := mustDialBroker(t, s.listen(t), cfg)
				var submitted, done sync.WaitGroup
				stop := make(chan struct{})
				submitted.Go(func() { submitUntil(t, b, stop, &done) })
				answered := hammer(t, b, 16, tt.renewals)
				close(stop)
				submitted.Wait()
				done.Wait()
				stats := b.Stats()
				if stats.Reauthentications < tt.renewals {
					t.Errorf("%d re-authentications, want at least %d", stats.Reauthentications, tt.renewals)
				}
				if stats.Failed+stats.GaveUp+stats.Refused != 0 {
					t.Errorf("%+v, want nothing lost", stats)
				}
				if why := s.rejections(); len(why) != 0 {
					t.Errorf("the broker rejected %q", why)
				}
				if left := time.Until(stats.SessionEnds); left > tt.lifetime {
					t.Errorf("the session ends in %v, of %v", left, tt.lifetime)
				}
				t.Logf("%d answers, %d re-authentications", answered, stats.Reauthentications)
			})
		})
	}
}

// submitUntil sends requests by Submit, one every 5 ms, and counts each callback.
func submitUntil(t *testing.T, b *kio.Broker, stop <-chan struct{}, done *sync.WaitGroup) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	heartbeat := make([]byte, 0, 64)
	heartbeat = binary.BigEndian.AppendUint16(heartbeat, 12)
	heartbeat = append(heartbeat, 0, 0, 0, 0, 0, 1, 0xff, 0xff) // version 0, id 1, no client id
	heartbeat = append(heartbeat, 0, 1, 'g', 0, 0, 0, 1, 0, 1, 'm')
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		done.Add(1)
		err := b.Submit(heartbeat, time.Time{}, func(_ []byte, err error) {
			if err != nil {
				t.Errorf("Submit's callback: %v", err)
			}
			done.Done()
		})
		if err != nil {
			t.Errorf("Submit: %v", err)
			done.Done()
			return
		}
	}
}

func TestSCRAMSessionsOfAClusterAreRenewed(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		addr := saslKafka(t, kfake.BrokerConfigs(map[string]string{"connections.max.reauth.ms": "1000"}))
		cfg.SASL = []sasl.Mechanism{carol}
		b := mustDialBroker(t, addr, cfg)
		renewed := func() bool { return b.Stats().Reauthentications >= 2 }
		var wg sync.WaitGroup
		end := time.Now().Add(patience)
		for range 16 {
			wg.Go(func() {
				for !renewed() && time.Now().Before(end) {
					ask(t, b)
				}
			})
		}
		wg.Wait()
		if !renewed() {
			t.Errorf("%d re-authentications after %v, want at least 2", b.Stats().Reauthentications, patience)
		}
	})
}

// A request that takes long is not a reason to give up: the handshake waits behind it, and with it the requests that are held back.
func TestARenewalWaitsBehindALongPoll(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), lifetime: time.Second}
		cfg.AllowPlaintextSASL, cfg.SASL = true, []sasl.Mechanism{alice}
		cfg.DialTimeout = 300 * time.Millisecond
		var slow atomic.Bool
		slow.Store(true)
		l := hostile.Listen(t, func(p *hostile.Peer) {
			c := &strictConn{strictBroker: s, peer: p}
			for range 3 {
				c.serve()
			}
			// The next one is a poll that outlasts the session, and several times Config.DialTimeout.
			raw, err := p.ReadRequest()
			if err != nil {
				return
			}
			<-time.After(1500 * time.Millisecond)
			r, id := decodeRequest(raw)
			c.answer(id, r.ResponseKind())
			for c.serve() {
			}
		})
		b := mustDialBroker(t, l.Addr(), cfg)
		var wg sync.WaitGroup
		wg.Go(func() { ask(t, b) })
		wg.Go(func() {
			<-time.After(1200 * time.Millisecond)
			ask(t, b)
		})
		wg.Wait()
		eventually(t, "a re-authentication", func() bool { return b.Stats().Reauthentications > 0 })
		if why := s.rejections(); len(why) != 0 {
			t.Errorf("the broker rejected %q", why)
		}
	})
}

// The time of the exchange begins when it has its turn and nothing is before it, and not with the renewal: whatever that has waited for, it has enough.
func TestARenewalHasItsTimeAfterItsWaits(t *testing.T) {
	const timeout, lifetime = time.Second, 900 * time.Millisecond // renewed 600 ms after it began
	for _, tt := range []struct {
		name        string
		credentials time.Duration // these take so long
		poll        time.Duration // a request that the exchange waits behind is answered so long after the session's beginning
		exchange    time.Duration // the handshake is answered so long after its turn
	}{
		{"for the credentials", 700 * time.Millisecond, 0, 600 * time.Millisecond},
		{"for a poll", 0, 1400 * time.Millisecond, 600 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				var asked atomic.Int32
				cfg.AllowPlaintextSASL, cfg.DialTimeout = true, timeout
				cfg.SASL = []sasl.Mechanism{plain.Plain(func(context.Context) (plain.Auth, error) {
					if asked.Add(1) > 1 {
						<-time.After(tt.credentials)
					}
					return plain.Auth{User: "alice", Pass: "alice-secret"}, nil
				})}
				s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), lifetime: lifetime}
				l := hostile.Listen(t, func(p *hostile.Peer) {
					c := &strictConn{strictBroker: s, peer: p}
					for range 3 {
						c.serve()
					}
					began := time.Now()
					if tt.poll > 0 {
						raw, err := p.ReadRequest()
						if err != nil {
							return
						}
						<-time.After(tt.poll - time.Since(began))
						r, id := decodeRequest(raw)
						c.answer(id, r.ResponseKind())
					}
					raw, err := p.ReadRequest()
					if err != nil {
						return
					}
					r, id := decodeRequest(raw)
					<-time.After(tt.exchange)
					c.handshake(r.(*kmsg.SASLHandshakeRequest), id)
					for c.serve() {
					}
				})
				b := mustDialBroker(t, l.Addr(), cfg)
				if tt.poll > 0 {
					ask(t, b)
				}
				eventually(t, "a re-authentication", func() bool { return b.Stats().Reauthentications > 0 || b.Err() != nil })
				if err := b.Err(); err != nil {
					t.Errorf("the connection ended with %v", err)
				}
			})
		})
	}
}

func TestARefusedRenewalEndsTheConnectionWithTheReason(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		var tokens atomic.Int32
		s := &strictBroker{offered: []string{"PLAIN"}, lifetime: 200 * time.Millisecond, verify: func(string, []byte) ([]byte, bool, int16, string) {
			if tokens.Add(1) > 1 {
				return nil, false, authenticationFailed, "alice has left"
			}
			return nil, true, 0, ""
		}}
		cfg.AllowPlaintextSASL, cfg.SASL = true, []sasl.Mechanism{alice}
		b := mustDialBroker(t, s.listen(t), cfg)
		ask(t, b)
		<-b.Done()
		eventually(t, "the refusal", func() bool {
			var refused *kio.AuthError
			return errors.As(b.Err(), &refused)
		})
		_, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), b)
		for _, err := range []error{err, b.Err(), b.Submit(request(3, 0, "abcd"), time.Time{}, func([]byte, error) {})} {
			e := withCode(t, err, kio.CodeNoConnection)
			o := asOpenError(t, err)
			if o.Step != kio.StepReauthentication || !strings.Contains(err.Error(), "SASL authentication: the broker refuses PLAIN: SASL_AUTHENTICATION_FAILED (58): alice has left") || !e.SafeToRetry() {
				t.Errorf("%v, want the refusal of the re-authentication, safe to retry", err)
			}
			if strings.Contains(err.Error(), "alice-secret") {
				t.Errorf("%v tells the password", err)
			}
		}
	})
}

// Requests that a failing renewal has held back end with its reason, and were never sent.
func TestWhoWaitsForARenewalLearnsOfItsFailure(t *testing.T) {
	onEachDriver(t, func(t *testing.T, cfg kio.Config) {
		cfg.AllowPlaintextSASL, cfg.SASL = true, []sasl.Mechanism{alice}
		s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), lifetime: 200 * time.Millisecond}
		shaken, cut := make(chan struct{}), make(chan struct{})
		l := hostile.Listen(t, func(p *hostile.Peer) {
			c := &strictConn{strictBroker: s, peer: p}
			for range 3 {
				c.serve()
			}
			_, _ = p.ReadRequest() // the next handshake, which is not answered
			close(shaken)
			<-cut
			_ = p.CloseWrite()
		})
		b := mustDialBroker(t, l.Addr(), cfg)
		<-shaken
		ended := make(chan error, 2)
		go func() {
			_, err := kmsg.NewPtrMetadataRequest().RequestWith(context.Background(), b)
			ended <- err
		}()
		if err := b.Submit(request(3, 0, "abcd"), time.Time{}, func(_ []byte, err error) { ended <- err }); err != nil {
			t.Error(err)
		}
		eventually(t, "both wait", func() bool { return b.Stats().Waiting == 2 })
		close(cut)
		for range 2 {
			err := <-ended
			wantIs(t, err, io.EOF)
			if o := asOpenError(t, err); o.Step != kio.StepReauthentication {
				t.Errorf("%v does not tell of the re-authentication", err)
			}
			if e := asError(t, err); !e.SafeToRetry() {
				t.Errorf("%v: not safe to retry, though it was never sent", err)
			}
		}
		if n := l.Requests(); n != 4 {
			t.Errorf("the broker read %d requests, want 4: none after the handshake", n)
		}
	})
}

func TestARenewalThatIsNotAnsweredEnds(t *testing.T) {
	cfg := config(t)
	cfg.AllowPlaintextSASL, cfg.SASL, cfg.DialTimeout = true, []sasl.Mechanism{alice}, 200*time.Millisecond
	s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), lifetime: 200 * time.Millisecond}
	l := hostile.Listen(t, func(p *hostile.Peer) {
		c := &strictConn{strictBroker: s, peer: p}
		for range 3 {
			c.serve()
		}
	})
	b := mustDialBroker(t, l.Addr(), cfg)
	<-b.Done()
	err := b.Err()
	if o := asOpenError(t, err); o.Step != kio.StepReauthentication || !asError(t, err).Timeout() {
		t.Errorf("%v, want a re-authentication that has timed out", err)
	}
}

// Close and Shutdown end a renewal in each of its stages, and leave nothing behind: config looks for leaks.
func TestTheEndOfAConnectionEndsItsRenewal(t *testing.T) {
	for name, end := range map[string]func(b *kio.Broker) error{
		"Close": (*kio.Broker).Close,
		"Shutdown": func(b *kio.Broker) error {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			return b.Shutdown(ctx)
		},
	} {
		t.Run(name, func(t *testing.T) {
			onEachDriver(t, func(t *testing.T, cfg kio.Config) {
				log := &records{}
				cfg.Logger, cfg.Debug = slog.New(log), &kio.Debug{Level: 1}
				cfg.AllowPlaintextSASL = true
				s := &strictBroker{offered: []string{"PLAIN"}, verify: password("alice-secret"), lifetime: 100 * time.Millisecond}
				t.Run("before it", func(t *testing.T) {
					cfg.SASL = []sasl.Mechanism{alice}
					if err := end(mustDialBroker(t, s.listen(t), cfg)); err != nil {
						t.Error(err)
					}
				})
				t.Run("in its callback", func(t *testing.T) {
					entered, calls := make(chan struct{}), 0
					cfg.SASL = []sasl.Mechanism{plain.Plain(func(ctx context.Context) (plain.Auth, error) {
						if calls++; calls > 1 {
							close(entered)
							<-ctx.Done()
							return plain.Auth{}, ctx.Err()
						}
						return plain.Auth{User: "alice", Pass: "alice-secret"}, nil
					})}
					lenient := &strictBroker{offered: s.offered, verify: s.verify, lifetime: s.lifetime, lenient: true}
					b := mustDialBroker(t, lenient.listen(t), cfg)
					<-entered
					ask(t, b) // nobody is held back yet
					if err := end(b); err != nil {
						t.Error(err)
					}
				})
				if slices.Contains(log.messages(), "failed") {
					t.Errorf("the log has %q; want no failure", log.messages())
				}
				t.Run("in its exchange", func(t *testing.T) {
					if name == "Shutdown" {
						t.Skip("waits for the handshake's answer, within its context")
					}
					cfg.SASL = []sasl.Mechanism{alice}
					shaken := make(chan struct{})
					l := hostile.Listen(t, func(p *hostile.Peer) {
						c := &strictConn{strictBroker: s, peer: p}
						for range 3 {
							c.serve()
						}
						_, _ = p.ReadRequest()
						close(shaken)
					})
					b := mustDialBroker(t, l.Addr(), cfg)
					<-shaken
					if err := end(b); err != nil {
						t.Error(err)
					}
				})
			})
		})
	}
}
