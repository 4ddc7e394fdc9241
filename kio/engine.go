package kio

import (
	"log/slog"
	"math"
	"sync"

	"kafkaio/loop"
)

// Driver names an implementation of the event loops.
type Driver = loop.Driver

// The drivers. DriverAuto is the one that is fastest on the platform.
const (
	DriverAuto  = loop.DriverAuto
	DriverGnet  = loop.DriverGnet
	DriverEpoll = loop.DriverEpoll
)

// Defaults and bound of the budgets of [EngineConfig].
const (
	DefaultMaxReceivingBytes = loop.DefaultMaxReceivingBytes
	DefaultMaxSendingBytes   = loop.DefaultMaxSendingBytes
	MaxBudgetBytes           = loop.MaxBudgetBytes
)

// EngineConfig shapes an [Engine]. The zero value works.
type EngineConfig struct {
	// Driver chooses the implementation of the loops.
	Driver Driver
	// Loops is the number of event loops, each with a goroutine of its own; 0 is one for every two of GOMAXPROCS, at least 1 and at most 8.
	Loops int
	// MaxReceivingBytes bounds the memory, in bytes, of the answers that are being received on all brokers' connections of the engine. At the limit a
	// connection whose answer does not fit is not read until others have theirs: nothing is lost, its peer is held back, deadlines go on. One
	// connection may always go on, so that the memory of one answer, Config.MaxFrameBytes and up to a quarter more, can come on top, and up to 128 KiB
	// for each connection in the middle of an answer. 0 is DefaultMaxReceivingBytes (1 GiB), negative is no bound; the most is MaxBudgetBytes.
	MaxReceivingBytes int64
	// MaxSendingBytes bounds the bytes of requests that wait to be sent on all brokers' connections of the engine. At the limit a request waits within
	// its deadline, or is refused with ErrQueueFull, as on a connection that holds MaxPendingBytes; connections take turns. While nothing is pending, one
	// request of any size is let in. 0 is DefaultMaxSendingBytes (256 MiB), negative is no bound; the most is MaxBudgetBytes.
	MaxSendingBytes int64
	// Logger is told of panics recovered from callbacks; nil is silence.
	Logger *slog.Logger
	// MaxDials is how many attempts to connect the Clusters on the engine may have under way at a time; 0 is DefaultMaxDials. Negative is refused.
	MaxDials int
	// DialRate is how many of them may begin in a second; 0 is DefaultDialRate, negative is no bound. What waits for its turn costs no goroutine.
	// DialBroker and Dial are their callers' to bound.
	DialRate float64
}

// Defaults of [EngineConfig]: enough for a thousand brokers to be back in a second or two, and no more than a machine does in passing (guessed).
const (
	DefaultMaxDials = 128
	DefaultDialRate = 1000.0
)

// validate checks the fields as the caller has set them.
func (c *EngineConfig) validate() *Error {
	if c.Loops < 0 {
		return invalid("start engine", "", "EngineConfig.Loops is %d, want 0 (automatic) or more", c.Loops)
	}
	if c.MaxDials < 0 {
		return invalid("start engine", "", "EngineConfig.MaxDials is %d, want 0 for the default, or more", c.MaxDials)
	}
	for _, f := range [...]struct {
		name  string
		value int64
	}{
		{"MaxReceivingBytes", c.MaxReceivingBytes},
		{"MaxSendingBytes", c.MaxSendingBytes},
	} {
		if f.value > MaxBudgetBytes {
			return invalid("start engine", "", "EngineConfig.%s is %d, want at most %d: a negative value is no bound", f.name, f.value, int64(MaxBudgetBytes))
		}
	}
	return nil
}

// Engine is a set of event loops. Most programs need none of their own: connections whose Config names no engine share one that is started by
// the first and lives as long as the process. Safe for concurrent use.
type Engine struct {
	loops *loop.Engine
	gate  *dialGate
}

// NewEngine starts an engine. Close gives its goroutines and descriptors back.
func NewEngine(cfg EngineConfig) (*Engine, error) {
	if err := cfg.validate(); err != nil {
		return nil, err
	}
	if math.IsNaN(cfg.DialRate) {
		return nil, invalid("start engine", "", "EngineConfig.DialRate is not a number: use 0 for the default, a negative one for no bound")
	}
	setDefault(&cfg.MaxDials, DefaultMaxDials)
	setDefault(&cfg.DialRate, DefaultDialRate)
	l, err := loop.Start(loop.Config{
		Driver:            cfg.Driver,
		Loops:             cfg.Loops,
		MaxReceivingBytes: cfg.MaxReceivingBytes,
		MaxSendingBytes:   cfg.MaxSendingBytes,
		Logger:            cfg.Logger,
	})
	if err != nil {
		return nil, &Error{Op: "start engine", Code: CodeInvalidArgument, Err: err, unsent: true}
	}
	return &Engine{l, newDialGate(cfg.MaxDials, cfg.DialRate)}, nil
}

// Driver is the implementation in use, never DriverAuto.
func (e *Engine) Driver() Driver { return e.loops.Driver() }

// Loops is the number of event loops.
func (e *Engine) Loops() int { return e.loops.Loops() }

// Conns is the number of connections on the engine.
func (e *Engine) Conns() int { return e.loops.Conns() }

// EngineStats is a snapshot of an engine: its connections, what its polling has cost and brought, and what is held of its budgets.
type EngineStats = loop.EngineStats

// Stats takes a snapshot.
func (e *Engine) Stats() EngineStats { return e.loops.Stats() }

// DialStats tells how the Clusters on the engine connect.
func (e *Engine) DialStats() DialStats { return e.gate.snapshot() }

// Close ends every connection on the engine and returns when its loops are gone. It is idempotent. Called from a callback of Submit it fails
// and changes nothing.
func (e *Engine) Close() error {
	if err := e.loops.Stop(); err != nil {
		return &Error{Op: "close engine", Code: CodeInvalidArgument, Err: err}
	}
	return nil
}

// shared is the engine of connections whose Config names none.
var shared struct {
	mu     sync.Mutex
	engine *Engine
}

func sharedEngine() (*Engine, error) {
	shared.mu.Lock()
	defer shared.mu.Unlock()
	if shared.engine == nil {
		e, err := NewEngine(EngineConfig{})
		if err != nil {
			return nil, err
		}
		shared.engine = e
	}
	return shared.engine, nil
}
