package hold

import (
	"math/bits"
	"time"
)

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
	rest, _ := mulDiv(k%n, int64(s.every), n)
	return s.begin.Add(time.Duration(k/n)*s.every + time.Duration(rest))
}

// before is how many requests are due in the first d.
func (s schedule) before(d time.Duration) int64 {
	n := int64(s.connections)
	last, more := mulDiv(int64(d%s.every), n, int64(s.every))
	if more > 0 {
		last++
	}
	return int64(d/s.every)*n + last
}

// node is whom request k asks.
func (s schedule) node(k int64) int32 { return int32(k % int64(s.brokers)) }

// mulDiv is a × b ÷ c and what is left over, for a below c and none negative: the product may be larger than an int64.
func mulDiv(a, b, c int64) (quotient, rest int64) {
	high, low := bits.Mul64(uint64(a), uint64(b))
	q, r := bits.Div64(high, low, uint64(c))
	return int64(q), int64(r)
}
