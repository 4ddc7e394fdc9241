package kio

import (
	"time"
)

// Defaults of [ClusterConfig].
const (
	DefaultMetadataMaxAge   = 5 * time.Minute // as Kafka's own clients have it (metadata.max.age.ms)
	DefaultUnknownTopicWait = 5 * time.Second // guessed: brokers hear of a new topic within some tens of milliseconds, busy ones within seconds
	DefaultConnsPerClass    = 1
	DefaultIdleTimeout      = 9 * time.Minute // as Kafka's own clients have it: below the brokers' 10 (connections.max.idle.ms)
	DefaultBackoff          = 50 * time.Millisecond
	DefaultMaxBackoff       = 5 * time.Second
	DefaultNodeMaxDials     = 2
	DefaultNodeDialRate     = 10.0
)

// ClusterConfig is what a [Cluster] knows beyond the configuration of its connections. The zero value works.
type ClusterConfig struct {
	// Standalone makes each seed a node of its own, with its place in the list as id, and asks none for Metadata: for monitors and probes
	// of brokers that need not belong together. OpenCluster then connects to nobody, unless HoldOpen says so.
	Standalone bool
	// MetadataMaxAge is for how long the nodes and the leaders of partitions are believed without asking again; they are asked for when a request
	// needs them, not before. 0 is DefaultMetadataMaxAge. Negative is refused, as it is below where nothing else is said.
	MetadataMaxAge time.Duration
	// UnknownTopicWait is for how long Leader waits, within its deadline, for a topic or a partition that the brokers asked do not know: others know first what was
	// just created. 0 is DefaultUnknownTopicWait, negative is not at all.
	UnknownTopicWait time.Duration

	// HoldOpen is how many connections for short requests are kept open to each node, and opened anew when they end; 0 is none: connections are
	// opened when a request needs them. At most ConnsPerClass.
	HoldOpen int
	// ConnsPerClass is how many connections each Class may have to a node: more are opened while there are more requests at a time than one for each connection, or 32 short
	// ones. A request goes to the connection with the least. Where all are busy it shares at once and does not wait for a new one, but for ClassFetch and ClassGroup: a
	// request that would stand behind one that may wait at the broker waits for the new connection, half a second or half of its time at most. 0 is DefaultConnsPerClass.
	ConnsPerClass int
	// MaxConns is how many connections a node may have in all. Beyond it an unused one makes room, and where there is none, classes share. 0 is
	// ConnsPerClass for each class.
	MaxConns int
	// IdleTimeout is for how long a connection beyond HoldOpen may be unused before it is closed; 0 is DefaultIdleTimeout, negative is never: the broker
	// will end it. It is found out four times within that time.
	IdleTimeout time.Duration

	// Backoff and MaxBackoff bound the wait after a failed attempt to connect: a random part of a time that begins with Backoff and doubles up to
	// MaxBackoff with each failure in a row. Only a connection that was opened properly, with TLS, ApiVersions and SASL, begins anew; one that then ends within
	// MaxBackoff and without an answer to any request counts as a failure after all. 0 is the Default of each.
	Backoff    time.Duration
	MaxBackoff time.Duration
	// MaxDials is how many attempts to connect to a node may be under way; 0 is DefaultNodeMaxDials. EngineConfig.MaxDials bounds those of all nodes.
	MaxDials int
	// DialRate is how many attempts to connect to a node may begin in a second, whatever their end; 0 is DefaultNodeDialRate.
	DialRate float64

	// NoResend makes requests fail at the first error. Without it a request of which no byte can have reached a broker (Error.SafeToRetry) is sent again
	// within its deadline, to another node where any will do. Others are never sent again.
	NoResend bool
}

func (c ClusterConfig) withDefaults() ClusterConfig {
	setDefault(&c.MetadataMaxAge, DefaultMetadataMaxAge)
	setDefault(&c.UnknownTopicWait, DefaultUnknownTopicWait)
	setDefault(&c.ConnsPerClass, DefaultConnsPerClass)
	setDefault(&c.MaxConns, c.ConnsPerClass*int(numClasses))
	setDefault(&c.IdleTimeout, DefaultIdleTimeout)
	setDefault(&c.Backoff, DefaultBackoff)
	setDefault(&c.MaxBackoff, max(DefaultMaxBackoff, c.Backoff))
	setDefault(&c.MaxDials, DefaultNodeMaxDials)
	setDefault(&c.DialRate, DefaultNodeDialRate)
	return c
}

// validate checks the fields as the caller has set them, zeros included.
func (c ClusterConfig) validate() *Error {
	for _, f := range [...]struct {
		name  string
		value time.Duration
	}{
		{"MetadataMaxAge", c.MetadataMaxAge},
		{"Backoff", c.Backoff},
		{"MaxBackoff", c.MaxBackoff},
	} {
		if f.value < 0 {
			return invalid("open cluster", "", "Config.Cluster.%s is %v, want at least 0: use 0 for the default", f.name, f.value)
		}
	}
	for _, f := range [...]struct {
		name  string
		value int
	}{
		{"HoldOpen", c.HoldOpen},
		{"ConnsPerClass", c.ConnsPerClass},
		{"MaxConns", c.MaxConns},
		{"MaxDials", c.MaxDials},
	} {
		if f.value < 0 || f.value > maxNodeConns {
			return invalid("open cluster", "", "Config.Cluster.%s is %d, want 0 to %d: use 0 for the default", f.name, f.value, maxNodeConns)
		}
	}
	if !(c.DialRate >= 0 && c.DialRate <= maxDialRate) { // NaN is neither
		return invalid("open cluster", "", "Config.Cluster.DialRate is %v a second, want 0 to %v: use 0 for the default", c.DialRate, maxDialRate)
	}
	d := c.withDefaults()
	switch {
	case d.MaxBackoff < d.Backoff:
		return invalid("open cluster", "", "Config.Cluster.MaxBackoff is %v, want at least Config.Cluster.Backoff, which is %v", d.MaxBackoff, d.Backoff)
	case d.HoldOpen > d.ConnsPerClass:
		return invalid("open cluster", "", "Config.Cluster.HoldOpen is %d, want at most Config.Cluster.ConnsPerClass, which is %d", d.HoldOpen, d.ConnsPerClass)
	case d.HoldOpen > d.MaxConns:
		return invalid("open cluster", "", "Config.Cluster.HoldOpen is %d, want at most Config.Cluster.MaxConns, which is %d", d.HoldOpen, d.MaxConns)
	}
	return nil
}

const (
	maxNodeConns = 10000 // of one client to one broker: beyond any port range's use
	maxDialRate  = 1e6   // a second
)
