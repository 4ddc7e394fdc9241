package kio

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/sasl"

	"kafkaio/frame"
	"kafkaio/loop"
)

// IPVersion restricts the addresses of a name.
type IPVersion int

// The IP versions. The zero value is IPAny.
const (
	IPAny IPVersion = 0
	IPv4  IPVersion = 4
	IPv6  IPVersion = 6
)

// Defaults of [Config].
const (
	DefaultPort              = 9092 // the port of a broker, and of an address without one
	DefaultTimeout           = 1500 * time.Millisecond
	DefaultDialTimeout       = 10 * time.Second
	DefaultClientID          = "kafkaio"
	DefaultMaxFrameBytes     = frame.DefaultMaxBytes
	DefaultMaxInFlight       = loop.DefaultMaxInFlight
	DefaultMaxPendingBytes   = loop.DefaultMaxPendingBytes
	DefaultMaxAbandoned      = loop.DefaultMaxAbandoned
	DefaultMaxAbandonedAge   = loop.DefaultMaxAbandonedAge
	DefaultMaxStall          = loop.DefaultMaxStall
	DefaultKeepAliveIdle     = 15 * time.Second
	DefaultKeepAliveInterval = 5 * time.Second
	DefaultKeepAliveCount    = 3
	DefaultUserTimeout       = 20 * time.Second
	DefaultMaxThrottle       = time.Minute
)

// Config shapes a connection. The zero value works. It is copied by the call that takes it.
type Config struct {
	// Timeout bounds a call that names no timeout and whose context has no deadline; 0 is DefaultTimeout. Negative is refused.
	Timeout time.Duration
	// DialTimeout is one deadline over all that opens a connection: name look-up, connecting, TLS, ApiVersions, SASL; the context's counts too. Each
	// re-authentication has as much again. 0 is DefaultDialTimeout. Negative is refused.
	DialTimeout time.Duration
	// IPVersion restricts a name's addresses. A literal of another version is refused with CodeIPVersion.
	IPVersion IPVersion

	// TLS makes connections speak TLS; nil is plaintext. The certificate is verified, unless TLS itself says otherwise, against the host of the address that is
	// dialled or, if it is set, TLS.ServerName. Connections with the same TLS and host share a cache of sessions. It must not be changed any more.
	TLS *tls.Config
	// SASL are the mechanisms to authenticate with, from franz-go's packages sasl/plain, scram, oauth and aws: the first one that the broker offers is used.
	// Their callbacks run on the goroutine that dials, or for a re-authentication on one of its own; their context ends with DialTimeout or the
	// connection. Close waits for a callback that is running, which must not call it. Finding out that the broker does not offer the first one costs a connection.
	SASL []sasl.Mechanism
	// AllowPlaintextSASL permits mechanisms that send their secret as it is (PLAIN, OAUTHBEARER, AWS_MSK_IAM, and all that are not known) over a
	// connection without TLS: without it they are refused before anything is sent. SCRAM needs no permission: it sends no password, but who
	// listens can try weak ones at leisure. A Dialer that encrypts by itself needs it too: nobody can see that.
	AllowPlaintextSASL bool
	// OpenRaw makes DialBroker return as soon as the connection stands, after TLS: no ApiVersions, no SASL. Request then sends each request in the
	// version that it carries, 0 included. It is for proxies, for peers that are no brokers, and for who negotiates by himself.
	OpenRaw bool

	// MaxVersions are the highest versions that Request uses, by API key; an API that is not in it has none but what broker and encoder know.
	MaxVersions map[int16]int16
	// MaxThrottle bounds for how long requests are kept waiting because an answer to Request said so (KIP-219); 0 is DefaultMaxThrottle,
	// negative is not at all. The time counts against the deadlines of those who wait.
	MaxThrottle time.Duration

	// ClientID goes into the headers that Request writes; empty is DefaultClientID.
	ClientID string
	// ClientSoftwareName and ClientSoftwareVersion are what the broker is told of the client program (KIP-511); empty is DefaultClientSoftwareName and
	// this module's version. Letters, digits, dashes and dots, with a letter or digit at both ends.
	ClientSoftwareName    string
	ClientSoftwareVersion string

	// MaxFrameBytes is the largest answer accepted, and the largest length that Receive and TryReceive take; a larger answer closes the
	// connection. 0 is DefaultMaxFrameBytes (100 MiB), the bound is 2 GiB - 1.
	MaxFrameBytes int
	// MaxRequestBytes is the largest request or message accepted for sending; 0 is 100 MiB, what brokers take by default
	// (socket.request.max.bytes), the bound is 2 GiB - 1.
	MaxRequestBytes int
	// MaxInFlight is how many requests a connection holds unanswered, abandoned ones included; 0 is DefaultMaxInFlight. Negative is refused, as it
	// is for all limits below.
	MaxInFlight int
	// MaxPendingBytes is how many bytes of requests may wait to be sent on a connection; one request is always let in. 0 is DefaultMaxPendingBytes.
	MaxPendingBytes int
	// RefuseWhenFull makes RoundTrip, Request and SendOneWay fail with ErrQueueFull at once where they would wait for room, within their deadline.
	RefuseWhenFull bool
	// MaxAbandoned is how many requests may be given up, by deadline or cancel, and still be unanswered before the connection is closed; 0 is DefaultMaxAbandoned.
	MaxAbandoned int
	// MaxAbandonedAge is for how long such a request may stay unanswered; 0 is DefaultMaxAbandonedAge.
	MaxAbandonedAge time.Duration
	// MaxStall is for how long a broker may take no byte of what is being sent before its connection is closed with ErrStalled: each byte that it
	// takes starts the time anew. 0 is DefaultMaxStall, negative is for ever. On Linux UserTimeout, where it is shorter, ends such a connection first.
	// Connections of bytes (Dial) have the deadlines of their calls instead.
	MaxStall time.Duration

	// KeepAliveIdle, KeepAliveInterval and KeepAliveCount tune TCP keepalive; 0 is the Default of each, a negative idle time turns it off. Times are
	// rounded up to whole seconds; the bounds are those of Linux, 32767 s and 127 probes.
	KeepAliveIdle     time.Duration
	KeepAliveInterval time.Duration
	KeepAliveCount    int
	// UserTimeout is how long sent bytes may stay unacknowledged before the connection is given up (TCP_USER_TIMEOUT, Linux); 0 is
	// DefaultUserTimeout, negative leaves it to the kernel (about 15 minutes). It is rounded up to whole milliseconds; the bound is 24 days.
	UserTimeout time.Duration
	// ReadBufferBytes and WriteBufferBytes are SO_RCVBUF and SO_SNDBUF; 0 leaves them to the kernel's tuning.
	ReadBufferBytes  int
	WriteBufferBytes int

	// BusyPoll is for how long the connection's event loop polls without sleeping while an answer is due on it. A sleeping core takes longer to wake
	// up than a broker nearby takes to answer. 0 is automatic: the loop polls only where the waits that it has just measured were short enough to
	// pay, and bounds what that can waste; negative is never. It has an effect on DriverEpoll only. See DESIGN.md, "Busy polling", for its price.
	BusyPoll time.Duration

	// WakeDelay is for how long answers may be left lying, so that one wake-up of the connection's event loop brings several, and the requests that follow leave
	// together: 0 or less is not at all. It spares CPU where many requests are in flight on few connections and each takes milliseconds, and costs latency: up
	// to WakeDelay, and up to a quarter of the round trips that the connection has just measured; deadlines do not wait for it. It has no effect with few
	// requests in flight, with fast answers, nor while something is in flight on another connection of the loop that does not allow it (Dial's never do): give
	// such connections an Engine of their own. It has an effect on DriverEpoll only. See DESIGN.md, "Moderated wake-ups", for its price.
	WakeDelay time.Duration

	// Resolver looks names up; nil is net.DefaultResolver.
	Resolver *net.Resolver
	// MapAddr gives the address to connect to in place of a broker's, for tunnels, port forwarding and NAT; nil changes nothing. It is called once for each dial, on
	// its goroutine, with the address as it was given or advertised, with its port: host:port or unix:path. It returns the like; without a port it
	// keeps that of the broker. Empty, or what it was given, is no change. Only the connection goes elsewhere: TLS verifies, mechanisms of SASL are told, and
	// Addr, errors and statistics name the broker's own address. It must not block. See AddrMap for a table.
	MapAddr func(addr string) string
	// Dialer opens connections in place of the engine, for proxies (SOCKS5) and tunnels; nil is the engine. It gets what MapAddr gives, must heed its
	// context, and should return a *net.TCPConn or a *net.UnixConn: anything else costs two goroutines that copy. network is "tcp", "tcp4", "tcp6" or
	// "unix"; names are then its business. The socket options above are set on a *net.TCPConn that it returns, over its own.
	Dialer func(ctx context.Context, network, address string) (net.Conn, error)
	// Engine runs the connection; nil is the engine that all such connections share.
	Engine *Engine

	// Hooks are told what happens on connections; nil is nobody, and costs nothing. It must not be changed any more.
	Hooks *Hooks
	// Cluster is what OpenCluster needs beyond all that; others do not look at it.
	Cluster ClusterConfig

	// Debug says what to log of the traffic; nil reads the environment variable KAFKA_DEBUG when the connection is dialled: see ParseDebug. A
	// Debug with Level 0 is no debug output whatever the environment says.
	Debug *Debug
	// Logger is told of the life of connections. Routine is at slog.LevelDebug: opened, not opened (the dial returns the error), re-authenticated, closed by
	// this side. slog.LevelInfo: throttled, ended by the broker with nothing in flight, a SASL mechanism that is not offered. slog.LevelWarn: any other
	// end, which has lost requests or is this side's giving up. Never messages, nor secrets. Ends are logged on event loops: the handler should not
	// block for long. nil is silence.
	//
	// With Debug it receives the debug output instead, at slog.LevelInfo: the debug level has already said that it is wanted. That goes to standard
	// error, in lines, where Logger is nil.
	Logger *slog.Logger
}

// withDefaults fills in what is zero.
func (c Config) withDefaults() Config {
	setDefault(&c.Timeout, DefaultTimeout)
	setDefault(&c.DialTimeout, DefaultDialTimeout)
	setDefault(&c.ClientID, DefaultClientID)
	setDefault(&c.MaxFrameBytes, DefaultMaxFrameBytes)
	setDefault(&c.MaxRequestBytes, DefaultMaxFrameBytes)
	setDefault(&c.MaxInFlight, DefaultMaxInFlight)
	setDefault(&c.MaxPendingBytes, DefaultMaxPendingBytes)
	setDefault(&c.MaxAbandoned, DefaultMaxAbandoned)
	setDefault(&c.MaxAbandonedAge, DefaultMaxAbandonedAge)
	setDefault(&c.MaxStall, DefaultMaxStall)
	setDefault(&c.KeepAliveIdle, DefaultKeepAliveIdle)
	setDefault(&c.KeepAliveInterval, DefaultKeepAliveInterval)
	setDefault(&c.KeepAliveCount, DefaultKeepAliveCount)
	setDefault(&c.UserTimeout, DefaultUserTimeout)
	setDefault(&c.MaxThrottle, DefaultMaxThrottle)
	setDefault(&c.ClientSoftwareName, DefaultClientSoftwareName)
	if c.ClientSoftwareVersion == "" {
		c.ClientSoftwareVersion = softwareVersion()
	}
	c.SASL = slices.Clone(c.SASL)
	return c
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// dialConfig is what the loop needs to know.
func (c *Config) dialConfig() loop.DialConfig {
	return loop.DialConfig{
		IPVersion: int(c.IPVersion),
		Socket: loop.SocketOptions{
			KeepAliveIdle:     c.KeepAliveIdle,
			KeepAliveInterval: c.KeepAliveInterval,
			KeepAliveCount:    c.KeepAliveCount,
			UserTimeout:       c.UserTimeout,
			ReadBufferBytes:   c.ReadBufferBytes,
			WriteBufferBytes:  c.WriteBufferBytes,
		},
		Limits: loop.Limits{
			MaxFrameBytes:   c.MaxFrameBytes,
			MaxInFlight:     c.MaxInFlight,
			MaxPendingBytes: c.MaxPendingBytes,
			MaxAbandoned:    c.MaxAbandoned,
			MaxAbandonedAge: c.MaxAbandonedAge,
			MaxStall:        c.MaxStall,
			RefuseWhenFull:  c.RefuseWhenFull,
		},
		TLS:       c.TLS,
		BusyPoll:  c.BusyPoll,
		WakeDelay: c.WakeDelay,
		Resolver:  c.Resolver,
		Dialer:    c.Dialer,
	}
}
