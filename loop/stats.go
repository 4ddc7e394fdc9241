package loop

import (
	"time"

	"kafkaio/syscalls"
)

// counters are guarded by Conn.mu, which the hot path holds anyway. What went wrong is counted in failures.
type counters struct {
	requests uint64
	answered uint64
	oneWay   uint64
	late     uint64
	stalls   uint64
	bytesIn  uint64
}

// Stats is a snapshot of one connection.
type Stats struct {
	Addr  string // the peer as it was given to Dial
	State string // "open", "draining", "closing", "closed"

	InFlight     int    // requests queued or sent whose answer is due, without the abandoned ones
	Abandoned    int    // requests given up by deadline or cancel whose late answers are still due
	Waiting      int    // callers who wait for room in the queue
	PendingBytes int    // bytes that wait to be written
	Requests     uint64 // accepted so far, one-way ones included
	Answered     uint64 // ended with an answer
	OneWay       uint64 // one-way requests written
	Failed       uint64 // ended by the end of the connection
	GaveUp       uint64 // ended by deadline or cancel
	Timeouts     uint64 // of these, by deadline
	Refused      uint64 // not accepted: queue full, or the connection is over
	LateAnswers  uint64 // dropped because their request had been given up
	Stalls       uint64 // times that a write found the socket full
	BytesSent    uint64 // handed to the kernel, size prefixes included
	BytesRead    uint64 // of whole answers, size prefixes included

	Errors      ErrorCounts // Failed, GaveUp and Refused, by class
	LastError   error       // of the last request that ended without its answer, or what ended the connection, but for an end that this side asked for; nil for none
	LastErrorAt time.Time   // when that was

	Age  time.Duration // since Dial
	Idle time.Duration // since the last request ended; 0 while one is queued or in flight

	// What the kernel says of a TCP connection that has not ended (TCP_INFO, Linux); else 0.
	RTT         time.Duration // smoothed round-trip time of segments: the line, without the peer's thinking
	RTTVar      time.Duration // its mean deviation
	Retransmits uint64        // segments sent again, since the start
}

// Stats takes a snapshot: about a microsecond, most of it the system call for TCP_INFO. It holds the connection's lock for some nanoseconds.
func (c *Conn) Stats() Stats {
	s := c.snapshot()
	if info, err := c.TCPInfo(); err == nil {
		s.RTT, s.RTTVar, s.Retransmits = info.RTT, info.RTTVar, uint64(info.TotalRetrans)
	}
	return s
}

// snapshot is Stats without the kernel's part.
func (c *Conn) snapshot() Stats {
	s := Stats{Addr: c.addr, BytesSent: c.sock.written.Load()}
	t := now()
	s.Age = time.Duration(t - c.opened)
	c.mu.Lock()
	defer c.mu.Unlock()
	s.State = c.state.String()
	s.InFlight = c.inFlight.n - int(c.abandoned)
	s.Abandoned = int(c.abandoned)
	s.Waiting = c.waiting.n
	s.PendingBytes = c.pending
	s.Requests = c.counters.requests
	s.Answered = c.counters.answered
	s.OneWay = c.counters.oneWay
	s.LateAnswers = c.counters.late
	s.Stalls = c.counters.stalls
	s.BytesRead = c.counters.bytesIn
	if f := c.failures; f != nil {
		s.Errors = f.counts
		s.Failed, s.GaveUp, s.Timeouts, s.Refused = f.counts.failed(), f.counts.givenUp(), f.counts[ErrorTimeout], f.counts.refused()
		if f.last != nil {
			s.LastError, s.LastErrorAt = f.last, epoch.Add(time.Duration(f.lastAt))
		}
	}
	if c.inFlight.n == 0 && c.oneWay.n == 0 && c.waiting.n == 0 {
		s.Idle = time.Duration(max(t-c.idleSince, 0))
	}
	return s
}

// TCPInfo asks the kernel about the connection. It matches errors.ErrUnsupported where the kernel does not tell.
func (c *Conn) TCPInfo() (syscalls.TCPInfo, error) {
	var info syscalls.TCPInfo
	err := c.sock.control(func(fd int) (err error) {
		info, err = syscalls.GetTCPInfo(fd)
		return err
	})
	return info, err
}

// Totals are sums over connections. The zero value is the sum of none.
type Totals struct {
	Conns        int // connections summed up
	InFlight     int
	Abandoned    int
	Waiting      int
	PendingBytes int
	Requests     uint64
	Answered     uint64
	OneWay       uint64
	Failed       uint64
	GaveUp       uint64
	Timeouts     uint64
	Refused      uint64
	LateAnswers  uint64
	Stalls       uint64
	BytesSent    uint64
	BytesRead    uint64
	Errors       ErrorCounts
}

// Sum adds other sums.
func (t *Totals) Sum(o *Totals) {
	t.Conns += o.Conns
	t.InFlight += o.InFlight
	t.Abandoned += o.Abandoned
	t.Waiting += o.Waiting
	t.PendingBytes += o.PendingBytes
	t.Requests += o.Requests
	t.Answered += o.Answered
	t.OneWay += o.OneWay
	t.Failed += o.Failed
	t.GaveUp += o.GaveUp
	t.Timeouts += o.Timeouts
	t.Refused += o.Refused
	t.LateAnswers += o.LateAnswers
	t.Stalls += o.Stalls
	t.BytesSent += o.BytesSent
	t.BytesRead += o.BytesRead
	for class, n := range o.Errors {
		t.Errors[class] += n
	}
}

// Add adds a connection to the sums.
func (t *Totals) Add(s *Stats) {
	t.Sum(&Totals{
		Conns: 1, InFlight: s.InFlight, Abandoned: s.Abandoned, Waiting: s.Waiting, PendingBytes: s.PendingBytes,
		Requests: s.Requests, Answered: s.Answered, OneWay: s.OneWay, Failed: s.Failed, GaveUp: s.GaveUp, Timeouts: s.Timeouts, Refused: s.Refused,
		LateAnswers: s.LateAnswers, Stalls: s.Stalls, BytesSent: s.BytesSent, BytesRead: s.BytesRead, Errors: s.Errors,
	})
}
