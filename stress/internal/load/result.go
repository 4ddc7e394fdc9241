package load

import (
	"fmt"
	"time"

	"kafkaio/stress/internal/hist"
	"kafkaio/stress/internal/workload"
)

// Counts are of requests that were sent, and of how they ended.
type Counts struct {
	Sent       uint64
	OK         uint64
	Failed     uint64
	Unanswered uint64 // still in flight when the drain was over
}

// Check is the law of a load: sent = ok + failed + unanswered. The error has the numbers.
func (c Counts) Check() error {
	if ended := c.OK + c.Failed + c.Unanswered; c.Sent != ended {
		return fmt.Errorf("sent %d, but ok %d + failed %d + unanswered %d is %d", c.Sent, c.OK, c.Failed, c.Unanswered, ended)
	}
	return nil
}

// Row is the figures of a load or of a part of it.
type Row struct {
	Counts
	Errors        map[string]uint64 // failed requests by class
	Latency       *hist.Histogram   // of the successes
	BytesSent     uint64            // size prefixes included
	BytesReceived uint64            // of whole answers, size prefixes included
}

// BrokerRow is the figures of one broker.
type BrokerRow struct {
	Row
	ID       int32
	Addr     string
	Opened   int               // connections
	Unopened map[string]uint64 // connections that could not be opened, by class
	Died     map[string]uint64 // connections that ended before the load, by class
}

// APIRow is the figures of one kind of request.
type APIRow struct {
	Row
	API workload.API
}

// Result is what a load came to.
type Result struct {
	Started time.Time
	End     End
	Sending time.Duration // from the first request to the last
	Drain   time.Duration // from then to the last answer
	Wanted  int           // connections
	Brokers []BrokerRow   // as in Config
	APIs    []APIRow      // those that were sent
	Total   Row
	Surplus int64 // ends of requests that had ended before; anything but 0 is a broken promise of the library
}

// Opened is the number of connections that were opened.
func (r *Result) Opened() int {
	n := 0
	for _, b := range r.Brokers {
		n += b.Opened
	}
	return n
}

// Unopened is the connections that could not be opened, by class.
func (r *Result) Unopened() map[string]uint64 {
	return sum(r.Brokers, func(b BrokerRow) map[string]uint64 { return b.Unopened })
}

// Died is the connections that ended before the load, by class.
func (r *Result) Died() map[string]uint64 {
	return sum(r.Brokers, func(b BrokerRow) map[string]uint64 { return b.Died })
}

// Clean reports whether nothing failed: no request, and no connection.
func (r *Result) Clean() bool {
	return r.Total.Failed == 0 && r.Total.Unanswered == 0 && len(r.Unopened()) == 0 && len(r.Died()) == 0
}

// Check is the law of a load for the total and each part: every request that was sent has ended exactly once. The error has the numbers.
func (r *Result) Check() error {
	if r.Surplus != 0 {
		return fmt.Errorf("%d requests ended more than once", r.Surplus)
	}
	if err := r.Total.Check(); err != nil {
		return err
	}
	for _, b := range r.Brokers {
		if err := b.Check(); err != nil {
			return fmt.Errorf("broker %d: %w", b.ID, err)
		}
	}
	for _, a := range r.APIs {
		if err := a.Check(); err != nil {
			return fmt.Errorf("%v: %w", a.API, err)
		}
	}
	return nil
}

func sum(brokers []BrokerRow, of func(BrokerRow) map[string]uint64) map[string]uint64 {
	all := make(map[string]uint64)
	for _, b := range brokers {
		for class, n := range of(b) {
			all[class] += n
		}
	}
	return all
}

// row makes one of a tally.
func (t *tally) row() Row {
	return Row{
		Counts:        Counts{OK: t.ok, Failed: t.failed, Unanswered: t.unanswered},
		Errors:        t.errors,
		Latency:       t.latency,
		BytesReceived: t.received,
	}
}

// result merges the shards and adds what slots and connections have counted. Nothing runs any more.
func (g *Generator) result(died []map[string]uint64, drain time.Duration) *Result {
	total := newTally()
	brokers := make([]tally, len(g.cfg.Brokers))
	for i := range brokers {
		brokers[i] = newTally()
	}
	var apis [workload.NumAPIs]tally
	for a := range apis {
		apis[a] = newTally()
	}
	for _, s := range g.shards {
		s.mu.Lock() // against a library that breaks its word: nobody else is here
		for i := range brokers {
			brokers[i].merge(&s.brokers[i])
			total.merge(&s.brokers[i])
		}
		for a := range apis {
			apis[a].merge(&s.apis[a])
		}
		s.mu.Unlock()
	}
	r := &Result{
		Started: g.started, End: g.end, Sending: g.sending, Drain: drain,
		Wanted: g.cfg.Connections, Total: total.row(), Surplus: g.surplus.Load(),
	}
	for i, b := range g.cfg.Brokers {
		row := BrokerRow{Row: brokers[i].row(), ID: b.ID, Addr: b.Addr, Unopened: g.unopens[i], Died: died[i]}
		row.BytesReceived = 0 // the connections know better: late answers count
		r.Brokers = append(r.Brokers, row)
	}
	rows := make([]Row, workload.NumAPIs)
	for a := range rows {
		rows[a] = apis[a].row()
	}
	r.Total.BytesReceived = 0
	for _, c := range g.conns {
		b := &r.Brokers[c.target]
		b.Opened++
		stats := c.broker.Stats()
		b.BytesSent += stats.BytesSent
		b.BytesReceived += stats.BytesRead
		r.Total.BytesSent += stats.BytesSent
		r.Total.BytesReceived += stats.BytesRead
		for i := range c.slots {
			s := &c.slots[i]
			for a := range rows {
				rows[a].Sent += s.sent[a]
				rows[a].BytesSent += s.sentBytes[a]
				b.Sent += s.sent[a]
				r.Total.Sent += s.sent[a]
			}
		}
	}
	for a, row := range rows {
		if row.Sent > 0 {
			r.APIs = append(r.APIs, APIRow{row, workload.API(a)})
		}
	}
	return r
}
