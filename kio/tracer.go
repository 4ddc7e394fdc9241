package kio

import (
	"context"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net/http/httptrace"
	"os"
	"strconv"
	"strings"
	"time"
)

// dumpBytes is how much of a message the debug output shows (guessed: enough for any request but a produce, and a screen's patience).
const dumpBytes = 64 << 10

// tracer writes debug output; nil writes none, and costs nothing. Safe for concurrent use.
type tracer struct {
	// Immutable after newTracer.
	level int
	log   slog.Handler // nil: lines on out
	out   *os.File
}

// event logs what happened, at level 1. args are keys and values, as slog has them.
func (t *tracer) event(msg string, args ...any) {
	if t == nil {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, msg, 0)
	r.Add(args...)
	t.emit(r, "")
}

// failed logs an error, at level 1, and hands it on.
func (t *tracer) failed(err *Error) error {
	if t != nil {
		t.event("failed", "error", err)
	}
	return err
}

// message logs bytes that were sent or received, at level 2. A secret message is told by its length only.
func (t *tracer) message(what, addr string, message []byte, secret bool) {
	if t == nil || t.level < 2 {
		return
	}
	r := slog.NewRecord(time.Now(), slog.LevelInfo, what, 0)
	r.Add("addr", addr, "bytes", len(message))
	shown, dump := message, ""
	switch left := len(message) - dumpBytes; {
	case secret:
		shown, dump = nil, fmt.Sprintf("[masked %d bytes]\n", len(message))
	case left > 0:
		shown = message[:dumpBytes]
		dump = hex.Dump(shown) + fmt.Sprintf("[%d bytes left out]\n", left)
	default:
		dump = hex.Dump(shown)
	}
	stream := hex.EncodeToString(shown)
	if t.log != nil {
		if !secret {
			r.Add("hex", stream)
		}
		r.Add("dump", dump)
		t.emit(r, "")
		return
	}
	if !secret {
		dump = stream + "\n" + dump
	}
	t.emit(r, dump)
}

// emit gives a record to the logger, or writes it as a line with its block below it.
func (t *tracer) emit(r slog.Record, block string) {
	if t.log != nil {
		if ctx := context.Background(); t.log.Enabled(ctx, r.Level) {
			_ = t.log.Handle(ctx, r) // as slog.Logger does: nobody could be told
		}
		return
	}
	var b strings.Builder
	b.WriteString(r.Time.UTC().Format("2006-01-02T15:04:05.000000Z"))
	b.WriteString(" kio: ")
	b.WriteString(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		value := a.Value.String()
		if strings.ContainsAny(value, " \"\n") {
			value = strconv.Quote(value)
		}
		b.WriteString(" " + a.Key + "=" + value)
		return true
	})
	b.WriteString("\n")
	b.WriteString(block)
	_, _ = t.out.WriteString(b.String()) // in one piece: os.File lets one writer in at a time
}

// watchDial makes the standard library's resolver and dialer report what they do.
func (t *tracer) watchDial(ctx context.Context, addr string) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		DNSStart: func(i httptrace.DNSStartInfo) { t.event("resolving", "addr", addr, "host", i.Host) },
		DNSDone: func(i httptrace.DNSDoneInfo) {
			if i.Err != nil {
				t.event("not resolved", "addr", addr, "error", i.Err)
				return
			}
			ips := make([]string, len(i.Addrs))
			for n, ip := range i.Addrs {
				ips[n] = ip.String()
			}
			t.event("resolved", "addr", addr, "to", strings.Join(ips, ","))
		},
		ConnectStart: func(network, to string) { t.event("connecting", "addr", addr, "network", network, "to", to) },
		ConnectDone: func(network, to string, err error) {
			if err != nil {
				t.event("not connected", "addr", addr, "network", network, "to", to, "error", err)
			}
		},
	})
}
