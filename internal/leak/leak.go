package leak

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// defaultPatience is how long a check waits for the end of what was begun.
// Guessed: far more than a stopping goroutine needs on a busy machine, and
// spent only by tests that fail.
const defaultPatience = 15 * time.Second

// pollInterval is the time between two looks. Guessed.
const pollInterval = 2 * time.Millisecond

// Option changes a check.
type Option func(*check)

// Gauge adds a number that has to come back to the value it had at the start,
// neither more nor less, such as the count of pooled buffers in use. The
// function is called from the goroutine of the test.
func Gauge(name string, read func() int64) Option {
	return func(c *check) { c.gauges = append(c.gauges, gauge{name: name, read: read}) }
}

// Patience sets how long to wait for everything to come back; 0 looks once.
// Without this option it is 15 s.
func Patience(d time.Duration) Option {
	return func(c *check) { c.patience = d }
}

// IgnoreGoroutine leaves out goroutines with this function at the top of their
// stack, by its full name such as "example.org/pool.(*Pool).sweep". It is for
// goroutines that a dependency keeps for the whole life of the process.
func IgnoreGoroutine(topFunction string) Option {
	return func(c *check) { c.ignore = append(c.ignore, goleak.IgnoreTopFunction(topFunction)) }
}

// Check fails t when goroutines, descriptors or gauges have not come back, by
// the end of the test, to where they are now. Call it first. It must not be
// used in a test that runs in parallel with others.
func Check(t testing.TB, options ...Option) {
	t.Helper()
	c := begin(options)
	t.Cleanup(func() {
		t.Helper()
		if found := c.wait(); found != "" {
			t.Errorf("leak: %s", found)
		}
	})
}

// Main runs the tests of a package, looks for what they have left behind if
// they passed, and exits.
func Main(m *testing.M, options ...Option) {
	os.Exit(run(m, os.Stderr, options))
}

// run is Main without the exit.
func run(m interface{ Run() int }, stderr io.Writer, options []Option) int {
	c := begin(options)
	if code := m.Run(); code != 0 {
		return code
	}
	if found := c.wait(); found != "" {
		_, _ = fmt.Fprintf(stderr, "leak: after all tests: %s\n", found)
		return 1
	}
	return 0
}

// check is what existed at the start. One goroutine at a time.
type check struct {
	patience    time.Duration
	ignore      []goleak.Option
	descriptors descriptors
	gauges      []gauge
}

// gauge is a number and the value it started with.
type gauge struct {
	name  string
	read  func() int64
	start int64
}

// begin remembers what exists.
func begin(options []Option) *check {
	c := &check{
		patience: defaultPatience,
		ignore: []goleak.Option{
			// gnet imports a pool that starts these two and never ends them.
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).purgeStaleWorkers"),
			goleak.IgnoreTopFunction("github.com/panjf2000/ants/v2.(*poolCommon).ticktock"),
		},
	}
	for _, option := range options {
		option(c)
	}
	wakePoller()
	c.descriptors = openDescriptors()
	c.ignore = append(c.ignore, goleak.IgnoreCurrent())
	for i := range c.gauges {
		c.gauges[i].start = c.gauges[i].read()
	}
	return c
}

// wait polls until everything is back and returns "", or says what is not when
// the patience has ended.
func (c *check) wait() string {
	for deadline := time.Now().Add(c.patience); ; {
		found := c.look()
		if found == "" || !time.Now().Before(deadline) {
			return found
		}
		<-time.After(pollInterval) // between two looks; never taken for a state
	}
}

// look says what is not back, or "".
func (c *check) look() string {
	var found []string
	// Cheap looks first: goleak retries for about 400 ms by itself before it
	// reports, which is also why its look comes once the others are content.
	if left := openDescriptors().minus(c.descriptors); len(left) > 0 {
		found = append(found, fmt.Sprintf("%d descriptors left open:\n\t%s", len(left), strings.Join(left, "\n\t")))
	}
	for _, g := range c.gauges {
		if now := g.read(); now != g.start {
			found = append(found, fmt.Sprintf("%s: %d, at the start %d", g.name, now, g.start))
		}
	}
	if err := goleak.Find(c.ignore...); err != nil {
		found = append(found, err.Error())
	}
	return strings.Join(found, "\n")
}
