package responder

import (
	"errors"
	"testing"
)

// FuzzFeed checks that no bytes make the parser panic, wait for bytes outside
// of a frame, or keep much of them, however they are cut.
func FuzzFeed(f *testing.F) {
	f.Add([]byte{0, 0, 0, 8, 0, 12, 0, 0, 0, 0, 0, 1}, uint8(1))
	f.Add([]byte{0, 0, 0, 15, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f}, uint8(3))
	answers := newTable(Config{}.withDefaults(), []hostPort{{"h", 1}})
	f.Fuzz(func(t *testing.T, b []byte, cut uint8) {
		b = b[:min(len(b), 4<<10)] // what it answers stays below flushBytes
		run := func(step int) (uint64, error) {
			l := &loop{table: answers, maxRequestBytes: 1 << 20}
			c := &conn{loop: l}
			for rest := b; len(rest) > 0; {
				n := min(step, len(rest))
				if err := c.feed(rest[:n]); err != nil {
					return l.tallyTotals.requests, err
				}
				l.out = l.out[:0] // no socket
				rest = rest[n:]
				if len(c.head) > maxProducePrefix {
					t.Fatalf("%d bytes kept", len(c.head))
				}
			}
			return l.tallyTotals.requests, nil
		}
		whole, wholeErr := run(len(b) + 1)
		cutUp, cutErr := run(int(cut) + 1)
		if whole != cutUp || !errors.Is(cutErr, wholeErr) {
			t.Fatalf("whole: %d, %v; cut by %d: %d, %v", whole, wholeErr, cut, cutUp, cutErr)
		}
	})
}
