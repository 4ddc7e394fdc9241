package kio

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"kafkaio/loop"
)

// watch is one connection as Config.Hooks and Config.Logger are told of it, from the attempt to open it to its end. nil: nobody is told. Safe for
// concurrent use once the connection stands.
type watch struct {
	// Immutable after newWatch.
	hooks  *Hooks       // never nil
	log    *slog.Logger // nil: silence, or debug output, which says the same and more
	engine *loop.Engine
	began  time.Time
	cause  func(error) error // makes of what the loop says of the end what callers are told
	broker *Broker           // nil: a Conn, which keeps no counts

	info ConnInfo // set before OnConnect and the first request, and immutable then

	mu     sync.Mutex // guards all below
	opened bool       // OnConnect has been told
	ended  bool
	why    error
}

// connIDs counts attempts to connect.
var connIDs atomic.Uint64

// newWatch begins to watch an attempt to connect, of b or, where that is nil, of a Conn.
func (d *dial) newWatch(cause func(error) error, b *Broker) *watch {
	log := d.cfg.Logger
	if d.trace != nil {
		log = nil
	}
	if d.cfg.Hooks == nil && log == nil {
		return nil
	}
	w := &watch{hooks: d.cfg.Hooks, log: log, engine: d.engine.loops, began: time.Now(), cause: cause, broker: b}
	if w.hooks == nil {
		w.hooks = new(Hooks)
	}
	w.info = ConnInfo{ID: connIDs.Add(1), Addr: d.addr}
	return w
}

// observe asks the loop for what the hooks of a Broker want to know.
func (w *watch) observe(dc *loop.DialConfig) {
	if w == nil {
		return
	}
	h, b := w.hooks, w.broker
	var o loop.Observer
	if h.OnWrite != nil {
		o.OnWrite = func(i WriteInfo) { h.OnWrite(w.info, i) }
	}
	if h.OnRead != nil {
		o.OnRead = func(i ReadInfo) { h.OnRead(w.info, i) }
	}
	if h.OnRequest != nil {
		o.OnRequest = func(i RequestInfo) {
			i.Err = b.requestError(i)
			h.OnRequest(w.info, i)
		}
	}
	dc.Observer = &o
}

// requestError is the error of a request as its caller gets it.
func (b *Broker) requestError(i RequestInfo) error {
	switch err := i.Err.(type) { //nolint:errorlint // whether it has been wrapped yet
	case nil:
		return nil
	case *Error:
		return err
	default:
		if i.OneWay {
			return b.wrapSend(err)
		}
		return b.wrap("request", err)
	}
}

// stands tells that there is a connection.
func (w *watch) stands(local, remote net.Addr) {
	if w == nil {
		return
	}
	if local != nil {
		w.info.Local = local.String()
	}
	if remote != nil {
		w.info.Remote = remote.String()
	}
}

// failed tells of the end of an attempt that came to nothing.
func (w *watch) failed(err error) {
	if w == nil {
		return
	}
	elapsed := time.Since(w.began)
	w.record(slog.LevelDebug, "kafka connection not opened", "elapsed", elapsed, "error", err) // whoever dials has the error
	if f := w.hooks.OnConnect; f != nil {
		_ = w.guard(func() { f(w.info, elapsed, err) })
	}
}

// succeeded tells of the end of an attempt that has opened the connection. It fails with the panic of a hook, and the connection must then be closed.
func (w *watch) succeeded() error {
	if w == nil {
		return nil
	}
	elapsed := time.Since(w.began)
	w.record(slog.LevelDebug, "kafka connection opened", "elapsed", elapsed)
	if f := w.hooks.OnConnect; f != nil {
		if err := w.guard(func() { f(w.info, elapsed, nil) }); err != nil {
			return err
		}
	}
	w.mu.Lock()
	w.opened = true
	ended := w.ended
	w.mu.Unlock()
	if ended {
		w.disconnected()
	}
	return nil
}

// onEnd is told of the end of the connection, on its loop.
func (w *watch) onEnd(cause error) {
	if w == nil {
		return
	}
	w.mu.Lock()
	w.ended, w.why = true, cause
	opened := w.opened
	w.mu.Unlock()
	if opened {
		w.disconnected()
	}
}

// disconnected tells of the end. Once: by who comes second of succeeded and onEnd.
func (w *watch) disconnected() {
	cause := w.cause(w.why) // which does not change any more
	w.recordEnd(cause)
	if f := w.hooks.OnDisconnect; f != nil {
		_ = w.guard(func() { f(w.info, cause) })
	}
}

// recordEnd logs the end of the connection. That this side has asked for it is routine, that the broker has, while nothing was in flight, is most often its
// patience with idle connections (connections.max.idle.ms); anything else has lost requests, or is about to.
func (w *watch) recordEnd(cause error) {
	if w.log == nil {
		return
	}
	args := []any{"age", time.Since(w.began), "cause", cause}
	var failed uint64
	if w.broker != nil {
		s := w.broker.conn.Stats()
		failed = s.Failed
		args = append(args, "requests", s.Requests, "failed", failed)
	}
	var (
		given  *endError  // this side has given the connection up
		opened *OpenError // it could not be authenticated again, or was never accepted
	)
	level := slog.LevelWarn
	switch {
	case errors.As(cause, &given), errors.As(cause, &opened):
	case errors.Is(cause, net.ErrClosed):
		level = slog.LevelDebug
	case errors.Is(cause, io.EOF) && failed == 0:
		level = slog.LevelInfo
	}
	w.record(level, "kafka connection ended", args...)
}

// throttled tells of an answer that throttles. first is whether requests have begun to wait because of it.
func (w *watch) throttled(asked, waits time.Duration, first bool) error {
	if w == nil {
		return nil
	}
	if first { // of many answers at a time, one line
		w.record(slog.LevelInfo, "kafka connection throttled", "asked", asked, "waits", waits)
	}
	if f := w.hooks.OnThrottle; f != nil {
		return w.guard(func() { f(w.info, asked, waits) })
	}
	return nil
}

// reauthenticated tells of a renewed session.
func (w *watch) reauthenticated(lifetime time.Duration) {
	if w != nil {
		w.record(slog.LevelDebug, "kafka connection re-authenticated", "for", lifetime)
	}
}

// refusedMechanism tells of an attempt that came to nothing because the broker does not offer the mechanism, and that the dial goes on with another one.
func (w *watch) refusedMechanism(next string, err error) {
	if w == nil {
		return
	}
	w.record(slog.LevelInfo, "kafka broker does not offer the SASL mechanism", "next", next)
	w.failed(err)
}

// record writes to the log.
func (w *watch) record(level slog.Level, msg string, args ...any) {
	if ctx := context.Background(); w.log != nil && w.log.Enabled(ctx, level) {
		args = append([]any{"conn", w.info.ID, "addr", w.info.Addr, "local", w.info.Local}, args...)
		w.log.Log(ctx, level, msg, args...)
	}
}

// guard runs a hook, and gives its panic.
func (w *watch) guard(f func()) error { return w.engine.Guard(w.info.Addr, f) }

// wrote and read tell of the bytes of a Conn. They fail with the panic of a hook.
func (w *watch) wrote(n int, began time.Time, err error) error {
	if w == nil || w.hooks.OnWrite == nil {
		return nil
	}
	i := WriteInfo{Bytes: n, Elapsed: time.Since(began), Err: err}
	return w.guard(func() { w.hooks.OnWrite(w.info, i) })
}

func (w *watch) read(n int) error {
	if w == nil || w.hooks.OnRead == nil || n == 0 {
		return nil
	}
	return w.guard(func() { w.hooks.OnRead(w.info, ReadInfo{Bytes: n}) })
}
