package report

import (
	"encoding/json"
	"io"
	"time"

	"kafkaio/stress/internal/hist"
	"kafkaio/stress/internal/load"
)

// Schema is the name and version of [Document].
const Schema = "kafkaio.stress/1"

// Document is the JSON of a result.
type Document struct {
	Schema     string     `json:"schema"`
	Started    time.Time  `json:"started"`
	End        load.End   `json:"end"` // "duration", "interrupted" or "all connections died"
	ExitCode   int        `json:"exit_code"`
	Settings   Settings   `json:"settings"`
	Sending    float64    `json:"sending_seconds"` // from the first request to the last
	Drain      float64    `json:"drain_seconds"`   // from then to the last answer
	Total      Figures    `json:"total"`
	Brokers    []Broker   `json:"brokers"`
	Requests   []Request  `json:"requests"` // by kind
	Connection Connection `json:"connections"`
	Invariant  Invariant  `json:"invariant"`
}

// Settings are what was asked for.
type Settings struct {
	Brokers     []string `json:"brokers"`  // where the cluster was looked for
	Embedded    bool     `json:"embedded"` // the brokers ran in the same process
	Connections int      `json:"connections"`
	InFlight    int      `json:"in_flight"`
	Duration    float64  `json:"duration_seconds"` // 0 is until interrupted
	Timeout     float64  `json:"timeout_seconds"`
	Workload    string   `json:"workload"`
	Topic       string   `json:"topic"`
	RecordBytes int      `json:"record_bytes"`
	FetchBytes  int      `json:"fetch_bytes"`
	Seed        uint64   `json:"seed"`
}

// Figures are those of a line of the table.
type Figures struct {
	Sent          uint64            `json:"sent"`
	OK            uint64            `json:"ok"`
	Failed        uint64            `json:"failed"`
	Unanswered    uint64            `json:"unanswered"`
	Rate          float64           `json:"ok_per_second"`
	Latency       Latency           `json:"latency_us"`
	Errors        map[string]uint64 `json:"errors"`
	BytesSent     uint64            `json:"bytes_sent"`
	BytesReceived uint64            `json:"bytes_received"`
}

// Latency is of successes, in microseconds.
type Latency struct {
	Mean      int64  `json:"mean"`
	P50       int64  `json:"p50"`
	P90       int64  `json:"p90"`
	P99       int64  `json:"p99"`
	P999      int64  `json:"p99_9"`
	Max       int64  `json:"max"`
	OverRange uint64 `json:"over_60s"` // how many were longer than what quantiles can tell apart
}

// Broker is one of the cluster.
type Broker struct {
	ID         int32      `json:"id"`
	Addr       string     `json:"addr"`
	Connection Connection `json:"connections"`
	Figures
}

// Request is one kind of request.
type Request struct {
	API string `json:"api"`
	Figures
}

// Connection counts connections.
type Connection struct {
	Wanted   int               `json:"wanted,omitempty"` // in all only
	Opened   int               `json:"opened"`
	Unopened map[string]uint64 `json:"unopened"` // that could not be opened, by class
	Died     map[string]uint64 `json:"died"`     // that ended before the load, by class
}

// Invariant is sent = ok + failed + unanswered, for the total and each part.
type Invariant struct {
	Holds  bool   `json:"holds"`
	Reason string `json:"reason,omitempty"` // why not
}

// WriteJSON writes a result for programs. The error is that of writing.
func WriteJSON(w io.Writer, s Settings, r *load.Result, exitCode int) error {
	d := Document{
		Schema:     Schema,
		Started:    r.Started.UTC().Truncate(time.Millisecond),
		End:        r.End,
		ExitCode:   exitCode,
		Settings:   s,
		Sending:    r.Sending.Seconds(),
		Drain:      r.Drain.Seconds(),
		Total:      figures(r.Total, r.Sending),
		Connection: Connection{Wanted: r.Wanted, Opened: r.Opened(), Unopened: r.Unopened(), Died: r.Died()},
		Invariant:  Invariant{Holds: true},
	}
	for _, b := range r.Brokers {
		d.Brokers = append(d.Brokers, Broker{
			ID: b.ID, Addr: b.Addr, Figures: figures(b.Row, r.Sending),
			Connection: Connection{Opened: b.Opened, Unopened: notNil(b.Unopened), Died: notNil(b.Died)},
		})
	}
	for _, a := range r.APIs {
		d.Requests = append(d.Requests, Request{API: a.API.String(), Figures: figures(a.Row, r.Sending)})
	}
	if err := r.Check(); err != nil {
		d.Invariant = Invariant{Reason: err.Error()}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(d)
}

func figures(r load.Row, sending time.Duration) Figures {
	return Figures{
		Sent: r.Sent, OK: r.OK, Failed: r.Failed, Unanswered: r.Unanswered,
		Rate:      rate(r, sending),
		Latency:   latencyOf(r.Latency),
		Errors:    notNil(r.Errors),
		BytesSent: r.BytesSent, BytesReceived: r.BytesReceived,
	}
}

func latencyOf(h *hist.Histogram) Latency {
	return Latency{
		Mean: h.Mean().Microseconds(), P50: h.Quantile(0.5).Microseconds(), P90: h.Quantile(0.9).Microseconds(),
		P99: h.Quantile(0.99).Microseconds(), P999: h.Quantile(0.999).Microseconds(), Max: h.Max().Microseconds(),
		OverRange: h.OverRange(),
	}
}

// notNil makes null an empty object.
func notNil(m map[string]uint64) map[string]uint64 {
	if m == nil {
		return map[string]uint64{}
	}
	return m
}
