package responder

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"github.com/panjf2000/gnet/v2"
)

// Responder is a running broker. It is safe for concurrent use.
type Responder struct {
	// immutable after Start
	cfg     Config
	addrs   []string
	answers *table
	engine  gnet.Engine

	booted chan error    // from OnBoot, capacity 1
	done   chan struct{} // closed when all goroutines are gone
	log    quietLog

	// atomic
	closing         atomic.Bool
	open            atomic.Int64
	opened          atomic.Uint64
	refused         atomic.Uint64
	closedUnknown   atomic.Uint64
	closedMalformed atomic.Uint64

	mu    sync.Mutex // guards loops; taken when a connection opens and by Stats
	loops map[gnet.EventLoop]*loop
}

// Stats counts since the start, over all loops. The numbers are read one
// after the other while the loops run.
type Stats struct {
	Requests uint64 // complete ones
	Answers  uint64 // of them: answered, or held back by Config.Delay
	Dropped  uint64 // of them: left without an answer by Config.Drop or Withhold
	BytesIn  uint64
	BytesOut uint64 // handed to the kernel or waiting for it

	Connections     uint64 // accepted in all, with those refused
	Open            int64  // now
	Refused         uint64 // over Config.MaxConnections
	ClosedUnknown   uint64 // ended for a key or version that is not served
	ClosedMalformed uint64 // ended for an impossible size or header
}

// Start listens and serves until [Responder.Close]. Connections are accepted
// when it returns. It replaces gnet's process-wide logger by a silent one.
func Start(cfg Config) (*Responder, error) {
	cfg = cfg.withDefaults()
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	r := &Responder{
		cfg:    cfg,
		booted: make(chan error, 1),
		done:   make(chan struct{}),
		loops:  make(map[gnet.EventLoop]*loop),
	}
	ended := make(chan error, 1)
	go r.serve(ended)
	select {
	case err := <-r.booted:
		if err != nil {
			<-r.done
			return nil, fmt.Errorf("responder: %w", err)
		}
		return r, nil
	case err := <-ended:
		<-r.done
		return nil, fmt.Errorf("responder: listen on %v: %w", cfg.Addrs, err)
	}
}

// serve runs gnet's engine. Start starts it, Close (or a failing accept) ends
// it, and done tells.
func (r *Responder) serve(ended chan<- error) {
	defer close(r.done)
	urls := make([]string, len(r.cfg.Addrs))
	for i, a := range r.cfg.Addrs {
		urls[i] = "tcp://" + a
	}
	err := gnet.Rotate(&handler{r: r}, urls,
		gnet.WithNumEventLoop(r.cfg.Loops),
		gnet.WithReuseAddr(true),
		gnet.WithTCPNoDelay(gnet.TCPNoDelay),
		gnet.WithLogger(&r.log))
	r.mu.Lock()
	for _, l := range r.loops {
		if l.clock != nil {
			l.clock.close()
		}
	}
	r.mu.Unlock()
	ended <- err
}

// Addrs returns what is listened on, in the order of [Config.Addrs], with the
// port that a 0 became. The slice is the caller's.
func (r *Responder) Addrs() []string { return append([]string(nil), r.addrs...) }

// Close cuts all connections and returns when everything has ended. Answers
// that are held back are lost. It may be called more than once.
func (r *Responder) Close() error {
	r.closing.Store(true)
	// Stop signals, then polls twice a second for the end: with a context
	// that is over it only signals, and done tells sooner.
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = r.engine.Stop(ctx)
	<-r.done
	return nil
}

// Done is closed when the responder has ended, also if nobody closed it.
func (r *Responder) Done() <-chan struct{} { return r.done }

// Err says why the responder ended by itself; nil while it runs and after
// Close.
func (r *Responder) Err() error {
	select {
	case <-r.done:
	default:
		return nil
	}
	if r.closing.Load() {
		return nil
	}
	if text := r.log.last(); text != "" {
		return fmt.Errorf("responder: engine ended: %s", text)
	}
	return errors.New("responder: engine ended")
}

// Stats returns the counters.
func (r *Responder) Stats() Stats {
	s := Stats{
		Connections:     r.opened.Load(),
		Open:            r.open.Load(),
		Refused:         r.refused.Load(),
		ClosedUnknown:   r.closedUnknown.Load(),
		ClosedMalformed: r.closedMalformed.Load(),
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, l := range r.loops {
		p := &l.published
		s.Requests += p.requests.Load()
		s.Answers += p.answers.Load()
		s.Dropped += p.dropped.Load()
		s.BytesIn += p.bytesIn.Load()
		s.BytesOut += p.bytesOut.Load()
	}
	return s
}

// loopOf returns our part of an event loop, made at its first connection.
func (r *Responder) loopOf(el gnet.EventLoop) (*loop, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if l := r.loops[el]; l != nil {
		return l, nil
	}
	l := &loop{table: r.answers.clone(), maxRequestBytes: r.cfg.MaxRequestBytes, drop: r.cfg.Drop}
	if r.cfg.Delay > 0 {
		b, err := newBell(el, l)
		if err != nil {
			return nil, err
		}
		l.clock = newClock(r.cfg.Delay, b)
	}
	r.loops[el] = l
	return l, nil
}

// listening asks the engine which addresses it listens on.
func listening(eng gnet.Engine, addrs []string) ([]string, error) {
	actual := make([]string, len(addrs))
	for i, a := range addrs {
		actual[i] = a
		if hp, _ := parseHostPort(a); hp.port != 0 {
			continue
		}
		fd, err := eng.DupListener("tcp", a)
		if err != nil {
			return nil, fmt.Errorf("which port %s became: %w", a, err)
		}
		f := os.NewFile(uintptr(fd), a)
		ln, err := net.FileListener(f)
		_ = f.Close()
		if err != nil {
			return nil, fmt.Errorf("which port %s became: %w", a, err)
		}
		actual[i] = ln.Addr().String()
		_ = ln.Close()
	}
	return actual, nil
}
