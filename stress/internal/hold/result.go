package hold

import (
	"maps"
	"time"

	"kafkaio/kio"
	"kafkaio/stress/internal/hist"
	"kafkaio/stress/internal/load"
)

// Result is what a run came to.
type Result struct {
	load.Counts // of requests that were due

	Started time.Time
	End     load.End
	Sending time.Duration // from the first request to the last
	Drain   time.Duration // from then to the last answer
	Every   time.Duration // from one request on a connection to the next, as asked for

	Brokers    int
	Wanted     int           // connections
	Opened     int           // of them: open when asking began
	Connecting time.Duration // until they were, or no more came

	Skipped    uint64            // requests that were due and not sent: the senders could not keep up
	Errors     map[string]uint64 // failed requests by class
	FromDue    *hist.Histogram   // latencies of the successes, from the moment when they were due
	FromSubmit *hist.Histogram   // and from Submit
	Least      uint64            // requests on the connection with the fewest, of those open at the end, with the one that has opened it
	Most       uint64            // and with the most

	Before           Footprint     // before the first connection
	Idle             Footprint     // when all were open, and nothing had been asked; of the goroutines those that stay
	Asked            Footprint     // at the end of asking, with the garbage that there was
	PeakResident     uint64        // while asking; 0 where the system does not tell
	MedianGoroutines int           // while asking
	PeakGoroutines   int           // while asking: timers that run out make some for a moment
	PeakDialling     int           // goroutines while connecting
	CPU              time.Duration // of the whole process while asking
	CPUKnown         bool          // it could be found out
	Delay            time.Duration // for which threads were ready and had no processor, all together, while asking; 0 where the system does not tell

	Gate        kio.DialStats
	Dials       uint64
	DialErrors  uint64
	Disconnects uint64            // connections that ended by themselves
	Down        map[string]uint64 // brokers without a connection at the end, by the class of the last failure
}

// Clean reports whether nothing failed: no request, and no connection, and all that was due was sent.
func (r *Result) Clean() bool {
	return r.Failed == 0 && r.Skipped == 0 && r.Unanswered == 0 && r.Opened == r.Wanted && r.DialErrors == 0 && r.Disconnects == 0 && len(r.Down) == 0
}

// see takes what the Cluster knows at the end.
func (r *Result) see(s kio.ClusterStats) {
	r.Dials, r.DialErrors, r.Disconnects, r.Down = s.Dials, s.DialErrors, s.Disconnects, down(s)
	first := true
	for _, n := range s.Nodes {
		for _, c := range n.Conns {
			if first || c.Requests < r.Least {
				r.Least = c.Requests
			}
			r.Most = max(r.Most, c.Requests)
			first = false
		}
	}
}

// count takes what the tally has counted.
func (r *Result) count(t *tally) {
	t.mu.Lock() // against a library that breaks its word: nobody else is here
	defer t.mu.Unlock()
	r.Counts = load.Counts{Sent: t.sent, OK: t.ok, Failed: t.failed, Unanswered: t.unanswered}
	r.Errors = maps.Clone(t.errors)
	r.FromDue, r.FromSubmit = t.fromDue, t.fromSubmit
}

// PerConnection is what each connection takes of memory beyond the footprint before the first.
func (r *Result) PerConnection() (resident, heapAndStacks float64) {
	if r.Opened == 0 {
		return 0, 0
	}
	more := func(now, before uint64) float64 { return (float64(now) - float64(before)) / float64(r.Opened) }
	return more(r.Idle.Resident, r.Before.Resident), more(r.Idle.Heap+r.Idle.Stacks, r.Before.Heap+r.Before.Stacks)
}

// GoroutinesPerBroker is how many more there were with all connections open than before the first.
func (r *Result) GoroutinesPerBroker() float64 {
	return float64(r.Idle.Goroutines-r.Before.Goroutines) / float64(r.Brokers)
}

// Cores is how many processors asking kept busy, and PerRequest what each request took of them; 0 where that is not known.
func (r *Result) Cores() float64 {
	if r.Sending <= 0 {
		return 0
	}
	return r.CPU.Seconds() / r.Sending.Seconds()
}

// Starved is for how much of the time threads were ready and had no processor, all together: on a machine of one's own next to nothing, and where it is
// not, latencies are those of the machine.
func (r *Result) Starved() float64 {
	if r.Sending <= 0 {
		return 0
	}
	return r.Delay.Seconds() / r.Sending.Seconds()
}

// PerRequest is the processor time of a request; see Cores.
func (r *Result) PerRequest() time.Duration {
	if r.Sent == 0 {
		return 0
	}
	return time.Duration(float64(r.CPU) / float64(r.Sent))
}
