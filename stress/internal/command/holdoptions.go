package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"kafkaio/stress/internal/hold"
	"kafkaio/stress/internal/limits"
	"kafkaio/stress/internal/report"
)

// Bounds of the flags of hold.
const (
	maxBesideBrokers = 5000      // whose addresses fit into one argument of a process on Linux (128 KiB)
	maxPerBroker     = 10_000    // kio's own
	maxEvery         = time.Hour // guessed
)

// holdOptions are the flags of hold.
type holdOptions struct {
	brokers     []string
	embedded    int
	connections int
	every       time.Duration
	duration    time.Duration
	timeout     time.Duration
	json        bool
	live        string
}

func (o *holdOptions) register(f *pflag.FlagSet) {
	f.StringSliceVar(&o.brokers, "brokers", nil, "host:port,… of the brokers to hold connections to; no others are looked for (default: responders in a process beside this one)")
	f.IntVar(&o.embedded, "embedded-brokers", 1000, "how many to run beside this process, each at a loopback address of its own, where --brokers names none")
	f.IntVar(&o.connections, "connections", 10_000, "connections, the same number to each broker")
	f.DurationVar(&o.every, "every", 5*time.Second, "how often each connection is asked")
	f.DurationVar(&o.duration, "duration", time.Minute, "for how long to ask; 0 is until interrupted")
	f.DurationVar(&o.timeout, "timeout", 5*time.Second, "for how long an answer may take")
	f.BoolVar(&o.json, "json", false, "write the result as JSON")
	f.StringVar(&o.live, "live", "auto", "the line that shows progress: auto, always (redraw even where it is no terminal) or never")
}

// beside reports whether the brokers are our own.
func (o *holdOptions) beside() bool { return len(o.brokers) == 0 }

// count is how many brokers there are.
func (o *holdOptions) count() int {
	if o.beside() {
		return o.embedded
	}
	return len(o.brokers)
}

// validate checks the flags.
func (o *holdOptions) validate(embeddedSet bool) error {
	seen := make(map[string]bool)
	for i, b := range o.brokers {
		b = strings.TrimSpace(b)
		switch {
		case b == "":
			return errors.New("--brokers has an empty address")
		case seen[b]:
			return fmt.Errorf("--brokers has %s twice", b)
		}
		seen[b] = true
		o.brokers[i] = b
	}
	switch {
	case embeddedSet && !o.beside():
		return errors.New("--embedded-brokers and --brokers exclude each other")
	case o.embedded < 1 || o.embedded > maxBesideBrokers:
		return fmt.Errorf("--embedded-brokers is %d, want 1 to %d", o.embedded, maxBesideBrokers)
	case o.connections < 1 || o.connections > maxConnections:
		return fmt.Errorf("--connections is %d, want 1 to %d", o.connections, maxConnections)
	case o.connections%o.count() != 0:
		return fmt.Errorf("--connections is %d, want a multiple of the %s", o.connections, report.Count(o.count(), "broker"))
	case o.connections/o.count() > maxPerBroker:
		return fmt.Errorf("--connections is %d, want at most %d for each of the %s", o.connections, maxPerBroker, report.Count(o.count(), "broker"))
	case o.every < time.Millisecond || o.every > maxEvery:
		return fmt.Errorf("--every is %v, want 1ms to %v", o.every, maxEvery)
	case o.duration < 0:
		return fmt.Errorf("--duration is %v, want 0 or more", o.duration)
	case o.timeout < time.Millisecond || o.timeout > maxTimeout:
		return fmt.Errorf("--timeout is %v, want 1ms to %v", o.timeout, maxTimeout)
	}
	return nil
}

// demand is what a run takes of this machine. The process beside has the other ends and a listener for each broker, within the same limit.
func (o *holdOptions) demand() limits.Demand {
	d := limits.Demand{Connections: o.connections, PerBroker: o.connections / o.count(), Reserve: reserveDescriptors}
	if o.beside() {
		d.Reserve += o.embedded
	}
	return d
}

// config is the run at these addresses.
func (o *holdOptions) config(addrs []string) hold.Config {
	c := hold.Config{Addrs: addrs, PerBroker: o.connections / len(addrs), Every: o.every, Duration: o.duration, Timeout: o.timeout}
	c.Kio.ClientID = clientID
	return c
}

// settings are the options as they stand in a report.
func (o *holdOptions) settings() report.HoldSettings {
	return report.HoldSettings{
		Addrs: append([]string{}, o.brokers...), Embedded: o.beside(), Brokers: o.count(), Connections: o.connections,
		Every: o.every.Seconds(), Duration: o.duration.Seconds(), Timeout: o.timeout.Seconds(),
	}
}
