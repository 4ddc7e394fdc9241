package kioprom

import (
	"time"

	"kafkaio/kio"
)

// Hooks gives the hooks for Config.Hooks: m takes note first, then next is told, as far as it wants to know; nil is nobody. next is not kept, its functions are,
// and a panic in one of them is met as in any hook. Hooks of any number of calls may be in use at the same time.
func (m *RequestMetrics) Hooks(next *kio.Hooks) *kio.Hooks {
	if next == nil {
		next = new(kio.Hooks)
	}
	n := *next
	return &kio.Hooks{
		OnConnect: func(c kio.ConnInfo, elapsed time.Duration, err error) {
			m.onConnect(elapsed, err)
			if n.OnConnect != nil {
				n.OnConnect(c, elapsed, err)
			}
		},
		OnDisconnect: func(c kio.ConnInfo, cause error) {
			m.ends.WithLabelValues(kio.ErrorClassOf(cause).String()).Inc()
			if n.OnDisconnect != nil {
				n.OnDisconnect(c, cause)
			}
		},
		OnWrite: n.OnWrite, // bytes come with the requests; nil costs nothing
		OnRead:  n.OnRead,
		OnRequest: func(c kio.ConnInfo, r kio.RequestInfo) {
			m.onRequest(&r)
			if n.OnRequest != nil {
				n.OnRequest(c, r)
			}
		},
		OnThrottle: func(c kio.ConnInfo, asked, waits time.Duration) {
			m.throttles.Observe(asked.Seconds())
			if n.OnThrottle != nil {
				n.OnThrottle(c, asked, waits)
			}
		},
	}
}
