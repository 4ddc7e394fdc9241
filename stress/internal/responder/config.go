package responder

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

const (
	// defaultMaxRequestBytes is the broker's default for
	// socket.request.max.bytes.
	defaultMaxRequestBytes = 100 << 20

	// minFetchBytes leaves room for one record batch (61 bytes) around one
	// record.
	minFetchBytes = 128

	// maxFetchBytes keeps an answer below the 100 MiB that clients accept.
	maxFetchBytes = 64 << 20

	defaultTopic = "stress"
)

// Config says how a [Responder] behaves. The zero value listens on a free
// port of 127.0.0.1 and answers at once.
type Config struct {
	// Addrs lists what to listen on, each "host:port". Port 0 asks for a
	// free one and is allowed with a single address only. Nil is
	// "127.0.0.1:0".
	Addrs []string

	// Loops is the number of event loops; 0 is 1. Connections are dealt
	// to them in turn.
	Loops int

	// Delay holds each answer back that long after its request was read;
	// 0 is not at all. All requests of one read share one moment, and the
	// order within a connection is kept. See the package comment for how
	// exact it is.
	Delay time.Duration

	// FetchBytes is the size of the record batch in each Fetch answer, to
	// within 2 bytes; 0 is no records, else 128 bytes to 64 MiB.
	FetchBytes int

	// Drop leaves every Drop-th request of a loop without an answer;
	// 0 answers all. Requests with acks=0 do not count.
	Drop int

	// Withhold lists API keys whose requests are never answered, for clients
	// that are to be looked at with requests in flight. They count as dropped.
	Withhold []int16

	// ThrottleMillis is the throttle_time_ms of each answer that has the
	// field.
	ThrottleMillis int32

	// Advertise lists the brokers in Metadata, "host:port", as nodes
	// 0, 1, …; nil advertises what is listened on.
	Advertise []string

	// Topic and Partitions is the only topic in Metadata, Produce and
	// Fetch; "" is "stress", 0 is 1 partition. Partition p is led by node
	// p modulo the number of brokers. Records are in partition 0.
	Topic      string
	Partitions int32

	// MaxRequestBytes ends connections that announce a larger request;
	// 0 is 100 MiB.
	MaxRequestBytes int

	// MaxConnections closes connections beyond that many at once; 0 is 64
	// below the process's descriptor limit, where that is known.
	MaxConnections int
}

// withDefaults returns a copy of c in which zero values are filled.
func (c Config) withDefaults() Config {
	if len(c.Addrs) == 0 {
		c.Addrs = []string{"127.0.0.1:0"}
	}
	c.Addrs = append([]string(nil), c.Addrs...)
	c.Advertise = append([]string(nil), c.Advertise...)
	c.Withhold = append([]int16(nil), c.Withhold...)
	if c.Loops == 0 {
		c.Loops = 1
	}
	if c.Topic == "" {
		c.Topic = defaultTopic
	}
	if c.Partitions == 0 {
		c.Partitions = 1
	}
	if c.MaxRequestBytes == 0 {
		c.MaxRequestBytes = defaultMaxRequestBytes
	}
	if c.MaxConnections == 0 {
		c.MaxConnections = descriptorLimit() - 64
	}
	return c
}

// validate checks a configuration that went through withDefaults.
func (c Config) validate() error {
	for _, a := range c.Addrs {
		hp, err := parseHostPort(a)
		if err != nil {
			return fmt.Errorf("responder: Addrs: %w", err)
		}
		if hp.port == 0 && len(c.Addrs) > 1 {
			return fmt.Errorf("responder: Addrs: %q: port 0 is allowed with a single address only", a)
		}
	}
	for _, a := range c.Advertise {
		if _, err := parseHostPort(a); err != nil {
			return fmt.Errorf("responder: Advertise: %w", err)
		}
	}
	switch {
	case c.Loops < 1 || c.Loops > 256:
		return fmt.Errorf("responder: Loops is %d, must be 1 to 256", c.Loops)
	case c.Delay < 0:
		return fmt.Errorf("responder: Delay is %v, must not be negative", c.Delay)
	case c.Delay > 0 && !delaySupported:
		return errors.New("responder: Delay needs a Unix system")
	case c.FetchBytes != 0 && (c.FetchBytes < minFetchBytes || c.FetchBytes > maxFetchBytes):
		return fmt.Errorf("responder: FetchBytes is %d, must be 0 or %d to %d", c.FetchBytes, minFetchBytes, maxFetchBytes)
	case c.Drop < 0:
		return fmt.Errorf("responder: Drop is %d, must not be negative", c.Drop)
	case c.ThrottleMillis < 0:
		return fmt.Errorf("responder: ThrottleMillis is %d, must not be negative", c.ThrottleMillis)
	case c.Partitions < 0 || c.Partitions > 100_000:
		return fmt.Errorf("responder: Partitions is %d, must be 1 to 100000", c.Partitions)
	case c.MaxRequestBytes < minRequestBytes:
		return fmt.Errorf("responder: MaxRequestBytes is %d, must be at least %d", c.MaxRequestBytes, minRequestBytes)
	case c.MaxConnections < 1:
		return fmt.Errorf("responder: MaxConnections is %d, must be at least 1", c.MaxConnections)
	}
	return nil
}

// hostPort is a split "host:port".
type hostPort struct {
	host string
	port int32
}

func parseHostPort(addr string) (hostPort, error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return hostPort{}, err
	}
	port, err := strconv.ParseUint(p, 10, 16)
	if err != nil {
		return hostPort{}, fmt.Errorf("%q: port must be 0 to 65535", addr)
	}
	return hostPort{host: host, port: int32(port)}, nil
}
