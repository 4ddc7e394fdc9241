// Package peer is what the clients under test have in common: each opens its
// connections and hands out functions that make one round trip.
package peer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"kafkaio/stress/peers/internal/work"
)

// Env is what a client is to do.
type Env struct {
	Work  work.Work
	Addrs []string // of one responder; connection i goes to the i-th in turn

	// TLS is set in a work that is not in plaintext. It has no server's
	// name: that is the host that is dialled. All connections share it.
	TLS *tls.Config
}

// Addr returns the address of a connection.
func (e Env) Addr(conn int) string { return e.Addrs[conn%len(e.Addrs)] }

// Frame returns a request of its own, with size prefix.
func (e Env) Frame() []byte { return e.Work.Frame() }

// One returns what opens the first connection of a work alone.
func (e Env) One() Env {
	e.Work.Conns, e.Work.Callers = 1, 1
	if e.Work.Brokers > 0 {
		e.Work.Brokers, e.Addrs = 1, e.Addrs[:1]
	}
	return e
}

// Touch makes the round trips that a connection of an idle work has behind
// it. caller makes of a request, with size prefix, what sends it.
func (e Env) Touch(caller func(frame []byte) func() error) error {
	if e.Work.Answers == 0 {
		return nil
	}
	call := caller(e.Frame())
	for range e.Work.Answers {
		if err := call(); err != nil {
			return err
		}
	}
	return nil
}

// Client is an opened client. It has Callers or Pumps, and in an idle work
// neither unless it is a busy one: then each sends a request that is not
// answered.
type Client struct {
	// Callers each make one round trip and return; each is used by one
	// goroutine at a time.
	Callers []func() error

	// Pumps are the asynchronous callers.
	Pumps []Pump

	// Keep holds what must stay reachable while the client is in use.
	Keep any
}

// Pump binds a callback to an asynchronous caller. The function returned
// sends one request and returns; done is called at its end, once for each,
// and may send the next.
type Pump func(done func(error)) (send func() error)

// Opener opens a client for a work.
type Opener func(ctx context.Context, e Env) (*Client, error)

// ErrUnavailable marks that a client cannot do a work in this build.
var ErrUnavailable = errors.New("not available")

// dialers is how many connections are opened at the same time, unless the work
// says otherwise: enough to hide the wake-ups, few enough for any listen
// backlog.
const dialers = 64

// OpenAll calls open for 0 to n-1, some at a time, and returns the first
// error.
func (e Env) OpenAll(n int, open func(i int) error) error {
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		first error
		next  = make(chan int)
	)
	atOnce := dialers
	if e.Work.Dialers > 0 {
		atOnce = e.Work.Dialers
	}
	for range min(atOnce, n) {
		wg.Go(func() {
			for i := range next {
				if err := open(i); err != nil {
					mu.Lock()
					if first == nil {
						first = fmt.Errorf("connection %d: %w", i, err)
					}
					mu.Unlock()
				}
			}
		})
	}
	for i := range n {
		mu.Lock()
		failed := first != nil
		mu.Unlock()
		if failed {
			break
		}
		next <- i
	}
	close(next)
	wg.Wait()
	return first
}

// DialTimeout bounds the opening of one connection: with thousands of them on
// one CPU the last waits for all others.
const DialTimeout = 30 * time.Second
