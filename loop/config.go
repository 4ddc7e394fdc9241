package loop

import (
	"log/slog"
	"time"

	"kafkaio/frame"
)

// Config shapes an [Engine]. The zero value works.
type Config struct {
	// Driver chooses the implementation of the loops; DriverAuto is the fastest on this platform.
	Driver Driver
	// Loops is the number of event loops, each with a goroutine of its own; 0 is one for every two of GOMAXPROCS, at least 1 and at most 8.
	Loops int
	// MaxReceivingBytes bounds the memory, in bytes, of the answers that are being collected on all Conns of the engine; streams have bounds of their
	// own. A connection whose answer does not fit stops reading until others have theirs; one always goes on, so that the memory of one answer comes on
	// top, and what each connection has read before it stopped, up to 128 KiB. 0 is DefaultMaxReceivingBytes, negative no bound, the most MaxBudgetBytes.
	MaxReceivingBytes int64
	// MaxSendingBytes bounds the bytes of requests that wait to be sent on all Conns of the engine. A request that does not fit waits as if its
	// connection were full, in turn with those of other connections; where nothing is pending, any request is let in. 0 is DefaultMaxSendingBytes,
	// negative no bound, the most MaxBudgetBytes.
	MaxSendingBytes int64
	// Logger is told of recovered panics and of what the engine cannot report to a caller; nil is silence.
	Logger *slog.Logger
}

// SocketOptions are set on a connection's socket before it connects, or when a DialConfig.Dialer has returned it. Zero fields leave the kernel's defaults, but for NODELAY, which is
// always set: combined writes do what Nagle's algorithm was for.
type SocketOptions struct {
	// KeepAliveIdle, KeepAliveInterval and KeepAliveCount tune TCP keepalive (tcp(7)); negative idle turns it off, all zero leaves it off as the kernel does.
	KeepAliveIdle     time.Duration
	KeepAliveInterval time.Duration
	KeepAliveCount    int
	// UserTimeout is TCP_USER_TIMEOUT (RFC 5482, Linux): how long sent bytes may stay unacknowledged before the connection is given up.
	UserTimeout time.Duration
	// ReadBufferBytes and WriteBufferBytes are SO_RCVBUF and SO_SNDBUF.
	ReadBufferBytes  int
	WriteBufferBytes int
}

// Limits bound one [Conn]. Zero fields take the defaults.
type Limits struct {
	// MaxFrameBytes is the largest answer accepted; 0 is frame.DefaultMaxBytes.
	MaxFrameBytes int
	// MaxInFlight is how many requests may be queued or unanswered, abandoned ones included; 0 is DefaultMaxInFlight.
	MaxInFlight int
	// MaxPendingBytes is how many bytes may wait to be sent; one request is always admitted. 0 is DefaultMaxPendingBytes.
	MaxPendingBytes int
	// MaxAbandoned is how many requests may be abandoned by deadline or cancel, and still unanswered, before the connection is closed; 0 is DefaultMaxAbandoned.
	MaxAbandoned int
	// MaxAbandonedAge is for how long an abandoned request may stay unanswered before the connection is closed; 0 is DefaultMaxAbandonedAge.
	MaxAbandonedAge time.Duration
	// MaxStall is for how long a write may wait for room in the socket without the peer's taking a single byte before the connection is closed with
	// ErrStalled; 0 is DefaultMaxStall, negative is for ever.
	MaxStall time.Duration
	// RefuseWhenFull makes RoundTrip and SendOneWay fail with ErrQueueFull at once where they would wait for room. Submit never waits.
	RefuseWhenFull bool
}

// Defaults of [Limits].
const (
	DefaultMaxInFlight     = 1024
	DefaultMaxPendingBytes = 1 << 20
	DefaultMaxAbandoned    = 128
	DefaultMaxAbandonedAge = 30 * time.Second
	DefaultMaxStall        = 30 * time.Second
)

func (l Limits) withDefaults() Limits {
	if l.MaxFrameBytes <= 0 {
		l.MaxFrameBytes = frame.DefaultMaxBytes
	}
	if l.MaxInFlight <= 0 {
		l.MaxInFlight = DefaultMaxInFlight
	}
	if l.MaxPendingBytes <= 0 {
		l.MaxPendingBytes = DefaultMaxPendingBytes
	}
	if l.MaxAbandoned <= 0 {
		l.MaxAbandoned = DefaultMaxAbandoned
	}
	if l.MaxAbandonedAge <= 0 {
		l.MaxAbandonedAge = DefaultMaxAbandonedAge
	}
	if l.MaxStall == 0 {
		l.MaxStall = DefaultMaxStall
	}
	return l
}
