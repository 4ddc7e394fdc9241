package report

import (
	"encoding/json"
	"io"
	"time"

	"kafkaio/stress/internal/hold"
	"kafkaio/stress/internal/load"
)

// HoldSchema is the name and version of [HoldDocument].
const HoldSchema = "kafkaio.stress.hold/1"

// HoldDocument is the JSON of connections that were held.
type HoldDocument struct {
	Schema   string       `json:"schema"`
	Started  time.Time    `json:"started"`
	End      load.End     `json:"end"` // "duration" or "interrupted"
	ExitCode int          `json:"exit_code"`
	Settings HoldSettings `json:"settings"`

	Opened     int     `json:"opened"`             // connections, when asking began
	Connecting float64 `json:"connecting_seconds"` // until they were open
	Dials      Dials   `json:"dials"`
	Sending    float64 `json:"sending_seconds"` // from the first request to the last
	Drain      float64 `json:"drain_seconds"`   // from then to the last answer

	Sent       uint64            `json:"sent"`
	OK         uint64            `json:"ok"`
	Failed     uint64            `json:"failed"`
	Unanswered uint64            `json:"unanswered"`
	Skipped    uint64            `json:"skipped"` // due and not sent: the senders could not keep up
	Errors     map[string]uint64 `json:"errors"`
	FromDue    Latency           `json:"latency_from_due_us"`
	FromSubmit Latency           `json:"latency_from_submit_us"`
	Least      uint64            `json:"requests_on_a_connection_min"` // with the one that opens it
	Most       uint64            `json:"requests_on_a_connection_max"`

	Before              Footprint `json:"before"` // the first connection
	Idle                Footprint `json:"idle"`   // all open, nothing asked yet
	Asked               Footprint `json:"asked"`  // at the end of asking
	PeakResident        uint64    `json:"peak_resident_bytes"`
	MedianGoroutines    int       `json:"median_goroutines"` // while asking
	PeakGoroutines      int       `json:"peak_goroutines"`   // likewise: timers that run out make some for a moment
	PeakDialling        int       `json:"peak_goroutines_connecting"`
	ResidentPerConn     float64   `json:"resident_bytes_per_connection"`   // idle beyond before
	HeapStackPerConn    float64   `json:"heap_stack_bytes_per_connection"` // likewise
	GoroutinesPerBroker float64   `json:"goroutines_per_broker"`           // likewise
	CPU                 *CPU      `json:"cpu"`                             // null where the system does not tell

	Starved float64 `json:"run_delay"` // seconds in a second that threads were ready and had no processor; 0 where the system does not tell

	Invariant Invariant `json:"invariant"`
}

// HoldSettings are what was asked for.
type HoldSettings struct {
	Addrs       []string `json:"addrs"`    // of the brokers; empty where they were our own
	Embedded    bool     `json:"embedded"` // the brokers ran in a process beside
	Brokers     int      `json:"brokers"`
	Connections int      `json:"connections"`
	Every       float64  `json:"every_seconds"`
	Duration    float64  `json:"duration_seconds"` // 0 is until interrupted
	Timeout     float64  `json:"timeout_seconds"`
}

// Dials is how connections came about.
type Dials struct {
	Attempts    uint64            `json:"attempts"`
	Failed      uint64            `json:"failed"`
	MaxRunning  int               `json:"max_running"` // the most under way at a time
	Disconnects uint64            `json:"disconnects"` // connections that ended by themselves
	Down        map[string]uint64 `json:"down"`        // brokers without a connection at the end, by class
}

// Footprint is what the process takes at a moment.
type Footprint struct {
	Resident   uint64 `json:"resident_bytes"` // 0 where the system does not tell
	Heap       uint64 `json:"heap_bytes"`
	Stacks     uint64 `json:"stack_bytes"`
	Goroutines int    `json:"goroutines"`
}

// CPU is user and system time of the process while asking.
type CPU struct {
	Seconds    float64 `json:"seconds"`
	Cores      float64 `json:"cores"`
	PerRequest float64 `json:"per_request_us"`
}

// WriteHoldJSON writes a result for programs. The error is that of writing.
func WriteHoldJSON(w io.Writer, s HoldSettings, r *hold.Result, exitCode int) error {
	resident, memory := r.PerConnection()
	d := HoldDocument{
		Schema: HoldSchema, Started: r.Started.UTC().Truncate(time.Millisecond), End: r.End, ExitCode: exitCode, Settings: s,
		Opened: r.Opened, Connecting: r.Connecting.Seconds(),
		Dials:   Dials{r.Dials, r.DialErrors, r.Gate.MaxRunning, r.Disconnects, notNil(r.Down)},
		Sending: r.Sending.Seconds(), Drain: r.Drain.Seconds(),
		Sent: r.Sent, OK: r.OK, Failed: r.Failed, Unanswered: r.Unanswered, Skipped: r.Skipped, Errors: notNil(r.Errors),
		FromDue: latencyOf(r.FromDue), FromSubmit: latencyOf(r.FromSubmit), Least: r.Least, Most: r.Most,
		Before: Footprint(r.Before), Idle: Footprint(r.Idle), Asked: Footprint(r.Asked),
		PeakResident: r.PeakResident, MedianGoroutines: r.MedianGoroutines, PeakGoroutines: r.PeakGoroutines, PeakDialling: r.PeakDialling,
		ResidentPerConn: resident, HeapStackPerConn: memory, GoroutinesPerBroker: r.GoroutinesPerBroker(),
		Starved: r.Starved(), Invariant: Invariant{Holds: true},
	}
	if r.CPUKnown {
		d.CPU = &CPU{r.CPU.Seconds(), r.Cores(), float64(r.PerRequest()) / float64(time.Microsecond)}
	}
	if err := r.Check(); err != nil {
		d.Invariant = Invariant{Reason: err.Error()}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}
