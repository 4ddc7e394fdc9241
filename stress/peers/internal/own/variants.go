package own

import (
	"fmt"
	"reflect"
	"sync"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// Variant is our client with a configuration of its own.
type Variant struct {
	Name  string
	About string
	Set   func(*kio.Config) error
}

// Variants is the one place where a variant is declared. Each name begins
// with work.Ours; the first is the default configuration.
var Variants = []Variant{
	{work.Ours, "the default configuration", func(*kio.Config) error { return nil }},
	{work.OursBusy, "BusyPoll 100 µs", busyPoll(100 * time.Microsecond)},
	{work.OursNever, "BusyPoll negative: never polling", busyPoll(-1)},
	{work.OursGnet, "the gnet driver, whatever the default is", onDriver(kio.DriverGnet)},
	{work.OursEpoll, "the epoll driver, whatever the default is", onDriver(kio.DriverEpoll)},
	{work.OursVersions, "opened as users do, with ApiVersions", func(c *kio.Config) error { c.OpenRaw = false; return nil }},
}

// onDriver puts the connections on an engine of their own, which lives as
// long as the process: as the shared one, it is no price of a connection.
func onDriver(d kio.Driver) func(*kio.Config) error {
	engine := sync.OnceValues(func() (*kio.Engine, error) { return kio.NewEngine(kio.EngineConfig{Driver: d}) })
	return func(c *kio.Config) (err error) {
		if c.Engine, err = engine(); err != nil {
			return fmt.Errorf("%w: %w", err, peer.ErrUnavailable) // this platform has no such driver
		}
		return nil
	}
}

// busyPoll sets Config.BusyPoll where this build's Config has it.
func busyPoll(d time.Duration) func(*kio.Config) error {
	return func(c *kio.Config) error { return setField(c, "BusyPoll", d) }
}

// setField sets a field by name, so that a variant can be declared before the
// field exists; it is then unavailable.
func setField(c *kio.Config, name string, value any) error {
	f := reflect.ValueOf(c).Elem().FieldByName(name)
	if !f.IsValid() {
		return fmt.Errorf("kio.Config has no field %s: %w", name, peer.ErrUnavailable)
	}
	f.Set(reflect.ValueOf(value))
	return nil
}
