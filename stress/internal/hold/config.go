package hold

import (
	"fmt"
	"time"

	"kafkaio/kio"
)

const (
	// defaultSenders can ask some tens of thousands of times a second (guessed).
	defaultSenders = 2

	// stalledAfter is for how long no connection has to have come in before the missing ones are no longer waited for. Guessed: longer than kio's
	// time for one attempt, so that the reason is known.
	stalledAfter = kio.DefaultDialTimeout + 2*time.Second

	// drainGrace is for how long the drain waits beyond the last deadline, so that a deadline is a failure and not a race. Guessed.
	drainGrace = 250 * time.Millisecond

	// patience is how long the last callbacks may take after the engine has closed, before they are counted as lost. Guessed.
	patience = 5 * time.Second

	// lookInterval is how often open connections are counted while they come in; a time until all are there is exact to that.
	lookInterval = 20 * time.Millisecond

	// observeInterval is how often goroutines and resident memory are looked at while asking. Guessed: the cost does not show.
	observeInterval = 100 * time.Millisecond
)

// Config shapes a [Holder].
type Config struct {
	Addrs     []string      // of the brokers, host:port, each a node of its own
	PerBroker int           // connections to each, at least 1
	Every     time.Duration // from one request on a connection to the next, more than 0
	Duration  time.Duration // of asking; 0 is until the context ends
	Timeout   time.Duration // of a request, more than 0
	Senders   int           // goroutines that ask; 0 is 2
	Kio       kio.Config    // Timeout, Engine and Cluster are the holder's business
}

func (c Config) validate() error {
	switch {
	case len(c.Addrs) == 0:
		return fmt.Errorf("hold: Config.Addrs is empty, want at least one")
	case c.PerBroker < 1:
		return fmt.Errorf("hold: Config.PerBroker is %d, want at least 1", c.PerBroker)
	case c.Every <= 0:
		return fmt.Errorf("hold: Config.Every is %v, want more than 0", c.Every)
	case c.Duration < 0:
		return fmt.Errorf("hold: Config.Duration is %v, want 0 or more", c.Duration)
	case c.Timeout <= 0:
		return fmt.Errorf("hold: Config.Timeout is %v, want more than 0", c.Timeout)
	case c.Senders < 0:
		return fmt.Errorf("hold: Config.Senders is %d, want 0 or more", c.Senders)
	}
	return nil
}

func (c Config) withDefaults() Config {
	if c.Senders == 0 {
		c.Senders = defaultSenders
	}
	c.Kio.Timeout = c.Timeout
	c.Kio.Cluster = kio.ClusterConfig{Standalone: true, HoldOpen: c.PerBroker, ConnsPerClass: c.PerBroker}
	return c
}

// connections is how many are to be held.
func (c Config) connections() int { return len(c.Addrs) * c.PerBroker }
