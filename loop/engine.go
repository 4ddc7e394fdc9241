package loop

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// Engine is a few event loops and the connections on them. Safe for concurrent use.
type Engine struct {
	// Immutable after Start.
	driver driver
	kind   Driver
	loops  int
	logger *slog.Logger

	sending   sending
	receiving receiving

	tls      tlsDialer
	roll     roll
	conns    atomic.Int64
	profiles sync.Map // profile to *profile

	// mu is held for reading while a connection is being registered, and for writing while the engine stops: a registration that meets
	// a stopping driver would wait for ever.
	mu      sync.RWMutex
	stopped bool
}

// maxAutoLoops bounds the loops that an engine starts unasked: "a few" serve thousands of sockets (guessed; machines with more than 16 cores were not measured).
const maxAutoLoops = 8

// Start runs an engine. It must be stopped to give its goroutines and descriptors back.
func Start(cfg Config) (*Engine, error) {
	if cfg.Loops < 0 {
		return nil, fmt.Errorf("loop: Config.Loops is %d, want 0 (automatic) or more", cfg.Loops)
	}
	if cfg.Loops == 0 {
		cfg.Loops = min(max(runtime.GOMAXPROCS(0)/2, 1), maxAutoLoops)
	}
	kind := cfg.Driver
	if kind == DriverAuto {
		kind = autoDriver
	}
	e := &Engine{kind: kind, loops: cfg.Loops, logger: cfg.Logger}
	var err error
	if e.receiving.limit, err = limitOf("MaxReceivingBytes", cfg.MaxReceivingBytes, DefaultMaxReceivingBytes); err != nil {
		return nil, err
	}
	if e.sending.limit, err = limitOf("MaxSendingBytes", cfg.MaxSendingBytes, DefaultMaxSendingBytes); err != nil {
		return nil, err
	}
	d, err := startDriver(kind, cfg.Loops)
	if err != nil {
		return nil, fmt.Errorf("loop: cannot start the %v driver: %w", kind, err)
	}
	e.driver = d
	return e, nil
}

// Driver is the implementation in use, never DriverAuto.
func (e *Engine) Driver() Driver { return e.kind }

// Loops is the number of event loops.
func (e *Engine) Loops() int { return e.loops }

// Conns is the number of connections that have not ended.
func (e *Engine) Conns() int { return int(e.conns.Load()) }

// EngineStats is a snapshot of an engine.
type EngineStats struct {
	Driver Driver
	Loops  int
	Conns  int // connections that have not ended
	// PollHit and PollMiss are the time that the loops have spent polling instead of sleeping, summed over loops: in polls that ended with an
	// event, and in those that ended without one.
	PollHit  time.Duration
	PollMiss time.Duration

	// ReceivingBytes and SendingBytes are what is held of Config's budgets now, that is, the memory that answers have or have been promised, and bytes
	// that wait to be sent. The fields with Max are the budgets, negative for none.
	ReceivingBytes    int64
	MaxReceivingBytes int64
	SendingBytes      int64
	MaxSendingBytes   int64
	PausedConns       int    // connections that have stopped reading, until there is memory for their answers
	Pauses            uint64 // how often one has
	WaitingConns      int    // connections whose requests wait for MaxSendingBytes
	SendingWaits      uint64 // how often those of one have begun to

	// Totals are sums over all Conns of the engine, those that have ended included; streams keep no counts. What is refused after a connection's end is
	// in its own Stats only.
	Totals Totals
}

// Stats takes a snapshot. It looks at each connection: about a millisecond for ten thousand.
func (e *Engine) Stats() EngineStats {
	hit, miss := e.driver.pollStats()
	s := EngineStats{Driver: e.kind, Loops: e.loops, Conns: e.Conns(), PollHit: hit, PollMiss: miss, Totals: e.roll.totals()}
	e.receiving.stats(&s)
	e.sending.stats(&s)
	return s
}

// Stop ends all connections, and with them their requests, with ErrStopped, and returns when the loops are gone. It is idempotent. From a callback
// on a loop it fails with ErrOnLoop and changes nothing.
func (e *Engine) Stop() error {
	if e.onLoop() {
		return ErrOnLoop
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.stopped {
		e.stopped = true
		e.driver.stop()
	}
	return nil
}

// register hands an open connection to a loop, or discards it.
func (e *Engine) register(o opened, s sink) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.stopped {
		o.discard()
		return ErrStopped
	}
	e.conns.Add(1)
	if err := e.driver.register(o, s); err != nil {
		e.conns.Add(-1)
		return err
	}
	return nil
}

// profile is what connections of the same configuration have in common. Immutable.
type profile struct {
	Limits
	busyPoll  time.Duration // DialConfig.BusyPoll
	wakeDelay time.Duration // DialConfig.WakeDelay
}

// shared is the one copy of l that connections point to.
func (e *Engine) shared(l profile) *profile {
	p, ok := e.profiles.Load(l)
	if !ok {
		p, _ = e.profiles.LoadOrStore(l, &l)
	}
	return p.(*profile)
}

// forget counts a connection out. Called once for each that was registered.
func (e *Engine) forget() { e.conns.Add(-1) }

// OnLoop reports whether the calling goroutine is one of the engine's loops, where nothing may wait for them.
func (e *Engine) OnLoop() bool { return e.onLoop() }

func (e *Engine) onLoop() bool { return e.driver.onLoop() }

// report logs what no caller can be told.
func (e *Engine) report(msg string, args ...any) {
	if e.logger != nil {
		e.logger.Error(msg, args...)
	}
}
