package command

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"kafkaio/stress/internal/report"
	"kafkaio/stress/internal/workload"
)

// Defaults and bounds of the flags.
const (
	defaultTopic = "kafkaio-stress" // of the load and of the responder, so that they fit

	maxConnections     = 10_000_000 // guessed: far beyond the descriptors of any process
	maxInFlight        = 100_000    // guessed
	maxEmbeddedBrokers = 100        // guessed
	maxRecordBytes     = 64 << 20   // below the 100 MiB that brokers take as a request
	maxFetchBytes      = 64 << 20   // below the 100 MiB that kio takes as an answer
	maxTimeout         = time.Hour  // guessed
)

// options are the flags of the load.
type options struct {
	brokers     []string
	embedded    int
	connections int
	inFlight    int
	duration    time.Duration
	timeout     time.Duration
	workload    string
	topic       string
	recordBytes int
	fetchBytes  int
	seed        uint64
	json        bool
	live        string
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringSliceVar(&o.brokers, "brokers", nil, "host:port,… of a cluster to load; its other brokers are found by themselves (default: brokers in this process)")
	f.IntVar(&o.embedded, "embedded-brokers", 3, "how many brokers to run in this process where --brokers names none")
	f.IntVar(&o.connections, "connections", 1000, "connections, spread evenly over the brokers")
	f.IntVar(&o.inFlight, "in-flight", 1, "requests in flight on each connection")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "for how long to send; 0 is until interrupted")
	f.DurationVar(&o.timeout, "timeout", 5*time.Second, "for how long an answer may take")
	f.StringVar(&o.workload, "workload", "mixed", "requests and their weights, as in produce=3,fetch=1, or the name of a preset")
	f.StringVar(&o.topic, "topic", defaultTopic, "topic to produce to and fetch from; created where it is missing")
	f.IntVar(&o.recordBytes, "record-bytes", 100, "size of the record in each Produce")
	f.IntVar(&o.fetchBytes, "fetch-bytes", 16<<10, "the most that a Fetch asks for")
	f.Uint64Var(&o.seed, "seed", 1, "the same seed sends the same requests in the same order on each connection")
	f.BoolVar(&o.json, "json", false, "write the result as JSON")
	f.StringVar(&o.live, "live", "auto", "the line that shows progress: auto, always (redraw even where it is no terminal) or never")
}

// validate checks the flags and reads the mix.
func (o *options) validate(embeddedSet bool) (workload.Mix, error) {
	for i, b := range o.brokers {
		if o.brokers[i] = strings.TrimSpace(b); o.brokers[i] == "" {
			return workload.Mix{}, errors.New("--brokers has an empty address")
		}
	}
	if embeddedSet && len(o.brokers) > 0 {
		return workload.Mix{}, errors.New("--embedded-brokers and --brokers exclude each other")
	}
	if o.topic = strings.TrimSpace(o.topic); o.topic == "" {
		return workload.Mix{}, errors.New("--topic is empty")
	}
	for _, n := range []struct {
		flag             string
		value, low, high int
	}{
		{"embedded-brokers", o.embedded, 1, maxEmbeddedBrokers},
		{"connections", o.connections, 1, maxConnections},
		{"in-flight", o.inFlight, 1, maxInFlight},
		{"record-bytes", o.recordBytes, 0, maxRecordBytes},
		{"fetch-bytes", o.fetchBytes, 1, maxFetchBytes},
	} {
		if n.value < n.low || n.value > n.high {
			return workload.Mix{}, fmt.Errorf("--%s is %d, want %d to %d", n.flag, n.value, n.low, n.high)
		}
	}
	if o.duration < 0 {
		return workload.Mix{}, fmt.Errorf("--duration is %v, want 0 or more", o.duration)
	}
	if o.timeout < time.Millisecond || o.timeout > maxTimeout {
		return workload.Mix{}, fmt.Errorf("--timeout is %v, want 1ms to %v", o.timeout, maxTimeout)
	}
	mix, err := workload.ParseMix(o.workload)
	if err != nil {
		return workload.Mix{}, fmt.Errorf("--workload: %w", err)
	}
	return mix, nil
}

// style is how --live wants the line.
func (o *options) style(terminal bool) (report.Style, error) {
	switch {
	case o.live == "never":
		return report.Silent, nil
	case o.live == "always", o.live == "auto" && terminal:
		return report.Redraw, nil
	case o.live == "auto":
		return report.Plain, nil
	default:
		return report.Silent, fmt.Errorf("--live is %q, want auto, always or never", o.live)
	}
}

// settings are the options as they stand in a report.
func (o *options) settings(brokers []string, mix workload.Mix) report.Settings {
	return report.Settings{
		Brokers: brokers, Embedded: len(o.brokers) == 0,
		Connections: o.connections, InFlight: o.inFlight,
		Duration: o.duration.Seconds(), Timeout: o.timeout.Seconds(),
		Workload: mix.String(), Topic: o.topic, RecordBytes: o.recordBytes, FetchBytes: o.fetchBytes, Seed: o.seed,
	}
}
