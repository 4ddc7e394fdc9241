package responder

import (
	"errors"
	"fmt"
	"sync"

	"github.com/panjf2000/gnet/v2"
)

// handler is the responder as gnet sees it. All but OnBoot and OnShutdown run
// on loop goroutines.
type handler struct {
	gnet.BuiltinEventEngine
	r *Responder
}

// OnBoot runs once the listeners listen and before any loop runs.
func (h *handler) OnBoot(eng gnet.Engine) gnet.Action {
	r := h.r
	r.engine = eng
	var err error
	if r.addrs, err = listening(eng, r.cfg.Addrs); err != nil {
		r.booted <- err
		return gnet.Shutdown
	}
	advertise := r.cfg.Advertise
	if len(advertise) == 0 {
		advertise = r.addrs
	}
	brokers := make([]hostPort, len(advertise))
	for i, a := range advertise {
		if brokers[i], err = parseHostPort(a); err != nil {
			r.booted <- err
			return gnet.Shutdown
		}
	}
	r.answers = newTable(r.cfg, brokers)
	r.booted <- nil
	return gnet.None
}

// OnOpen runs for clients and for the loop's own end of its bell, which
// brings its loop as context.
func (h *handler) OnOpen(gc gnet.Conn) ([]byte, gnet.Action) {
	if _, ok := gc.Context().(*loop); ok {
		return nil, gnet.None
	}
	r := h.r
	r.opened.Add(1)
	if r.open.Add(1) > int64(r.cfg.MaxConnections) {
		r.refused.Add(1)
		return nil, gnet.Close
	}
	l, err := r.loopOf(gc.EventLoop())
	if err != nil {
		r.log.Errorf("%v", err)
		return nil, gnet.Shutdown
	}
	gc.SetContext(&conn{loop: l, gnet: gc})
	return nil, gnet.None
}

// OnClose runs before the descriptor is closed, also within a failing write.
func (h *handler) OnClose(gc gnet.Conn, _ error) gnet.Action {
	switch c := gc.Context().(type) {
	case *loop:
		return gnet.None
	case *conn:
		c.closed = true
	}
	h.r.open.Add(-1)
	return gnet.None
}

// OnTraffic answers what one read brought.
func (h *handler) OnTraffic(gc gnet.Conn) gnet.Action {
	b, _ := gc.Next(-1)
	c, ok := gc.Context().(*conn)
	if !ok {
		if l, ok := gc.Context().(*loop); ok {
			return l.tick()
		}
		return gnet.None
	}
	l := c.loop
	l.tallyTotals.bytesIn += uint64(len(b))
	err := c.feed(b)
	if len(l.out) == 0 || l.clock != nil {
		l.publish() // nothing will be sent now, which would
	}
	l.flush(c)
	switch {
	case c.closed: // by a failing write; there is nothing left to close
	case errors.Is(err, errUnknown):
		h.r.closedUnknown.Add(1)
		return gnet.Close
	case err != nil:
		h.r.closedMalformed.Add(1)
		return gnet.Close
	}
	return gnet.None
}

// quietLog takes gnet's log: it prints nothing and keeps the last error, for
// Err.
type quietLog struct {
	mu   sync.Mutex
	text string
}

func (q *quietLog) last() string {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.text
}

// Errorf keeps an error.
func (q *quietLog) Errorf(format string, args ...any) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.text = fmt.Sprintf(format, args...)
}

// Debugf is silent.
func (*quietLog) Debugf(string, ...any) {}

// Infof is silent.
func (*quietLog) Infof(string, ...any) {}

// Warnf is silent.
func (*quietLog) Warnf(string, ...any) {}

// Fatalf keeps an error; gnet's engine does not call it.
func (q *quietLog) Fatalf(format string, args ...any) { q.Errorf(format, args...) }
