package hold

import "time"

// schedule says when which broker is asked: a pure function of a request's number, so that what has become of the others does not matter. Immutable.
type schedule struct {
	begin       time.Time
	every       time.Duration
	brokers     int
	connections int
}

// due is when request k is to be sent.
func (s schedule) due(k int64) time.Time {
	n := int64(s.connections)
	rounds, rest := k/n, k%n // apart, so that nothing overflows in a long run
	return s.begin.Add(time.Duration(rounds)*s.every + time.Duration(rest*int64(s.every)/n))
}

// node is whom request k asks.
func (s schedule) node(k int64) int32 { return int32(k % int64(s.brokers)) }
