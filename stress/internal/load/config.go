package load

import (
	"fmt"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/internal/workload"
)

const (
	// defaultDials is how many connections are opened at once. Guessed: a few round trips' worth, far below any broker's backlog.
	defaultDials = 64

	// drainGrace is for how long the drain waits beyond the last deadline, so that a deadline is a failure and not a race. Guessed.
	drainGrace = 250 * time.Millisecond

	// refusalPause is for how long a slot waits after its request was refused by a living connection. Guessed.
	refusalPause = 10 * time.Millisecond

	// patience is how long the end of all slots may take after the engine has closed, before they are counted as lost. Guessed.
	patience = 5 * time.Second
)

// Broker is one to load.
type Broker struct {
	ID       int32
	Addr     string
	Requests *workload.Set
}

// Config shapes a [Generator].
type Config struct {
	Brokers     []Broker
	Connections int           // over all brokers, at least 1
	InFlight    int           // requests on each connection, at least 1
	Dials       int           // connections that are opened at once; 0 is 64
	Duration    time.Duration // of sending; 0 is until the context ends
	Timeout     time.Duration // of a request, more than 0
	Seed        uint64        // of the order of requests
	Kio         kio.Config    // Timeout, Engine, MaxInFlight and MaxPendingBytes are the generator's business
}

func (c Config) validate() error {
	switch {
	case len(c.Brokers) == 0:
		return fmt.Errorf("load: Config.Brokers is empty, want at least one")
	case c.Connections < 1:
		return fmt.Errorf("load: Config.Connections is %d, want at least 1", c.Connections)
	case c.InFlight < 1:
		return fmt.Errorf("load: Config.InFlight is %d, want at least 1", c.InFlight)
	case c.Dials < 0:
		return fmt.Errorf("load: Config.Dials is %d, want 0 or more", c.Dials)
	case c.Duration < 0:
		return fmt.Errorf("load: Config.Duration is %v, want 0 or more", c.Duration)
	case c.Timeout <= 0:
		return fmt.Errorf("load: Config.Timeout is %v, want more than 0", c.Timeout)
	}
	return nil
}

// withDefaults fills in what is zero, and gives each connection room for all that its slots can ask of it: slots are answered before they send
// again, but the requests that they have given up stay in the queue until the limit for those closes the connection.
func (c Config) withDefaults() Config {
	if c.Dials == 0 {
		c.Dials = defaultDials
	}
	largest := 0
	for _, b := range c.Brokers {
		largest = max(largest, b.Requests.Largest())
	}
	const perRequest = 64 // more than the prefix takes
	c.Kio.Timeout = c.Timeout
	c.Kio.OpenRaw = true // the target knows the versions: thousands of connections need not ask again
	c.Kio.MaxInFlight = max(kio.DefaultMaxInFlight, c.InFlight+kio.DefaultMaxAbandoned+1)
	c.Kio.MaxPendingBytes = max(kio.DefaultMaxPendingBytes, 2*c.InFlight*(largest+perRequest))
	return c
}
