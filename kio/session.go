package kio

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
)

// Re-authentication begins so long before the session's end: what is in flight then must be answered before the end, or the broker ends the connection.
const (
	// The margin is a part of the session between these two, at random: connections that were opened together shall not come back together.
	minMarginPart = 0.10
	maxMarginPart = 0.20
	// It is no less than this (guessed: more than a broker that is not overloaded takes for what one connection has in flight), or a third of the session.
	leastMargin = 500 * time.Millisecond
)

// minRenewInterval is the least time between the beginnings of two re-authentications. A broker answers ILLEGAL_SASL_STATE to an earlier one
// (apache/kafka KafkaChannel, maybeBeginServerReauthentication: one second). The rest is for clocks that tick differently.
const minRenewInterval = time.Second + 20*time.Millisecond

// session keeps a connection authenticated whose broker has limited for how long it is (KIP-368). Between re-authentications it is a timer.
//
//	waiting ──(timer)──> renewing ──(accepted)──> waiting      any ──(Close, Shutdown, end of the connection)──> over
//
// A re-authentication fetches credentials first, while requests go on. Then it holds new requests back, and asks behind those in flight, which the broker
// answers first. The broker takes a SaslHandshake also after the session's end, if it is the first request that it handles then.
type session struct {
	// Immutable after newSession.
	broker  *Broker
	auth    *authenticator
	timeout time.Duration // for each of: the credentials, and the exchange; up to twice as long where that has waited behind other requests

	held atomic.Bool // new requests wait for the re-authentication that is under way

	mu      sync.Mutex
	timer   *time.Timer
	ends    time.Time     // zero: the broker has lifted the limit
	queued  time.Duration // for how long the last handshake waited for its answer, most of it behind other requests
	count   uint64        // re-authentications
	began   time.Time     // when the last one began, no earlier than the broker has it; zero before the first
	over    bool
	cancel  context.CancelFunc // of the re-authentication that is under way
	running chan struct{}      // closed at its end; nil before the first
}

func newSession(b *Broker, a *authenticator, timeout, lifetime time.Duration, since time.Time) *session {
	s := &session{broker: b, auth: a, timeout: timeout}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scheduleLocked(lifetime, since)
	return s
}

// scheduleLocked notes when the session ends, and sets the timer.
func (s *session) scheduleLocked(lifetime time.Duration, since time.Time) {
	if lifetime <= 0 {
		s.ends = time.Time{}
		return
	}
	s.ends = since.Add(lifetime)
	in := time.Until(s.ends.Add(-s.marginLocked(lifetime)))
	if s.timer == nil {
		s.timer = time.AfterFunc(in, s.renew)
	} else {
		s.timer.Reset(in) // it has fired: renew is its function
	}
}

// marginLocked is how long before the end of a session it is renewed: longer where the last time has shown that requests queue up for longer.
func (s *session) marginLocked(lifetime time.Duration) time.Duration {
	part := minMarginPart + (maxMarginPart-minMarginPart)*rand.Float64()
	margin := max(time.Duration(part*float64(lifetime)), min(leastMargin, lifetime/3))
	return max(margin, min(2*s.queued, lifetime/2))
}

// renew re-authenticates. The timer starts it, on a goroutine of its own; it ends with the connection, at the latest; Close and Shutdown wait for it.
func (s *session) renew() {
	ctx, cancel := context.WithCancelCause(context.Background())
	running := make(chan struct{})
	ended := s.broker.conn.Err() != nil
	s.mu.Lock()
	if s.over || ended {
		s.mu.Unlock()
		cancel(nil)
		return
	}
	s.cancel = func() { cancel(nil) }
	s.running = running
	s.mu.Unlock()

	exchange := make(chan bool, 1)
	var watcher sync.WaitGroup
	watcher.Go(func() { s.watch(ctx, cancel, exchange) })
	lifetime, since, err := s.guarded(ctx, exchange)
	cancel(nil)
	watcher.Wait()

	if err == nil {
		s.broker.trace.event("re-authenticated", "addr", s.broker.addr, "for", lifetime)
		s.broker.watch.reauthenticated(lifetime)
		s.broker.conn.Unhold()
	} else {
		s.failed(err) // and what is held stays so: nothing may be sent on a connection that is not authenticated any more
	}
	s.held.Store(false)
	s.mu.Lock()
	if err == nil {
		s.count++
		if !s.over {
			s.scheduleLocked(lifetime, since) // last: with a lifetime of next to nothing, the next renew runs at once
		}
	}
	s.mu.Unlock()
	close(running)
}

// guarded is reauthenticate, where a panic of a mechanism's callback is an error: on this goroutine nobody could recover it.
func (s *session) guarded(ctx context.Context, exchange chan<- bool) (lifetime time.Duration, since time.Time, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = &OpenError{Step: StepSASL, Err: &PanicError{Value: v, Stack: debug.Stack()}}
		}
	}()
	return s.reauthenticate(ctx, exchange)
}

// failed ends the connection, unless it was this side or its engine that has ended it, and with it the re-authentication.
func (s *session) failed(err error) {
	s.mu.Lock()
	over := s.over
	s.mu.Unlock()
	if !over && !errors.Is(s.broker.conn.Err(), net.ErrClosed) {
		s.broker.fail(&OpenError{Step: StepReauthentication, Err: err})
	}
}

// errRenewTimeout ends a re-authentication that takes too long. It matches os.ErrDeadlineExceeded.
var errRenewTimeout = fmt.Errorf("no end in time: %w", os.ErrDeadlineExceeded)

// watch ends a re-authentication with its connection, and when it takes too long. What it waits for behind other requests does not count: they have their
// own deadlines, and the connection its own patience with those that were given up (Config.MaxAbandonedAge). Nor does the wait for its turn. exchange tells
// that the exchange begins, and whether behind others. renew starts it, ends it and waits for it.
func (s *session) watch(ctx context.Context, cancel context.CancelCauseFunc, exchange <-chan bool) {
	timer := time.NewTimer(s.timeout) // for the credentials
	defer timer.Stop()
	begun, behind := false, false
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.broker.conn.Done():
			cancel(nil)
			return
		case behind = <-exchange:
			begun = true
		case <-timer.C:
			stats := s.broker.conn.Stats()
			switch {
			case !begun && s.held.Load(): // it waits for its turn
			case begun && stats.InFlight+stats.Abandoned > 1:
			case behind: // the last of the others was answered a moment ago, maybe: from now on it counts
				behind = false
			default:
				cancel(errRenewTimeout)
				return
			}
		}
		timer.Reset(s.timeout)
	}
}

// reauthenticate does so once, and tells when the exchange begins. Errors are of type *OpenError.
func (s *session) reauthenticate(ctx context.Context, exchange chan<- bool) (lifetime time.Duration, since time.Time, err error) {
	b := s.broker
	failed := func(step Step, err error) error {
		if cause := context.Cause(ctx); errors.Is(cause, errRenewTimeout) {
			err = cause // and not that the context was cancelled, which is how it comes about
		}
		return &OpenError{Step: step, Err: withoutOp(err)}
	}
	c, err := b.credentials(ctx, s.auth.mechanism)
	if err != nil {
		return 0, since, failed(StepSASL, err)
	}
	b.conn.Hold()
	s.held.Store(true)
	if err := s.awaitTurn(ctx); err != nil {
		return 0, since, failed(StepSASLHandshake, err)
	}
	sent := time.Now()
	stats := b.conn.Stats()
	exchange <- stats.InFlight+stats.Abandoned > 0
	if err := b.saslHandshake(ctx, s.auth); err != nil {
		return 0, since, failed(StepSASLHandshake, err)
	}
	s.mu.Lock()
	s.began = time.Now() // later than the broker has it, which is the safe side
	s.queued = s.began.Sub(sent)
	s.mu.Unlock()
	lifetime, since, err = b.saslAuthenticate(ctx, s.auth, c)
	if err != nil {
		return 0, since, failed(StepSASL, err)
	}
	return lifetime, since, nil
}

// awaitTurn waits until the broker takes another re-authentication. It does so for sessions of little more than a second.
func (s *session) awaitTurn(ctx context.Context) error {
	s.mu.Lock()
	began := s.began
	s.mu.Unlock()
	wait := time.Until(began.Add(minRenewInterval))
	if began.IsZero() || wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends re-authentication for good, one that is under way included. nil is a connection without a session.
func (s *session) stop() {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.timer.Stop()
	if s.running != nil {
		s.cancel()
	}
}

// wait returns when no re-authentication is under way any more.
func (s *session) wait() {
	if s == nil {
		return
	}
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running != nil {
		<-running
	}
}
