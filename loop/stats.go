package loop

import (
	"time"

	"kafkaio/syscalls"
)

// counters are guarded by Conn.mu, which the hot path holds anyway.
type counters struct {
	requests  uint64
	answered  uint64
	oneWay    uint64
	failed    uint64
	refused   uint64
	abandoned uint64
	timeouts  uint64
	late      uint64
	stalls    uint64
	bytesIn   uint64
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
	Age          time.Duration
}

// Stats takes a snapshot. It holds the connection's lock for some nanoseconds.
func (c *Conn) Stats() Stats {
	sent := c.sock.written.Load()
	age := time.Duration(now() - c.opened)
	c.mu.Lock()
	defer c.mu.Unlock()
	return Stats{
		Addr:         c.addr,
		State:        c.state.String(),
		InFlight:     c.inFlight.n - c.abandoned,
		Abandoned:    c.abandoned,
		Waiting:      c.waiting.n,
		PendingBytes: c.pending,
		Requests:     c.counters.requests,
		Answered:     c.counters.answered,
		OneWay:       c.counters.oneWay,
		Failed:       c.counters.failed,
		GaveUp:       c.counters.abandoned,
		Timeouts:     c.counters.timeouts,
		Refused:      c.counters.refused,
		LateAnswers:  c.counters.late,
		Stalls:       c.counters.stalls,
		BytesSent:    sent,
		BytesRead:    c.counters.bytesIn,
		Age:          age,
	}
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
