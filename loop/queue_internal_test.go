package loop

import "testing"

// BenchmarkQueueing is what a small request costs between being accepted and being written, without the write.
func BenchmarkQueueing(b *testing.B) {
	e := &Engine{}
	e.sending.limit = DefaultMaxSendingBytes
	r := make([]byte, 58)
	b.RunParallel(func(pb *testing.PB) {
		c := e.newConn("", &DialConfig{})
		for pb.Next() {
			q := newEntry()
			q.state = entryInFlight
			c.mu.Lock()
			if c.admitLocked(r) {
				c.enqueueLocked(q, r)
			}
			c.releaseLocked(c.takeLocked())
			c.inFlight.remove(q)
			c.mu.Unlock()
			q.free()
		}
	})
}
