package kio

import (
	"os"
	"strconv"
	"strings"
	"sync"
)

// DebugVariable is the environment variable that is read where Config.Debug is nil.
const DebugVariable = "KAFKA_DEBUG"

// debugModule is this module's name in the grammar of ParseDebug: the original is Kafka::IO.
const debugModule = "IO"

// Debug says what to log of the traffic.
type Debug struct {
	// Level is 1 for what happens to look-ups, deadlines, connections and the peer's end, and each error; 2 or more for each message sent and received as
	// well, as hex and text. 0 is nothing; negative is refused.
	//
	// Messages are logged whole up to 64 KiB, payload included, but for those of SASL, which carry secrets: they are masked as far as they can
	// be told from other bytes. Writing them costs the calling goroutine, or for answers to Submit the event loop, the time of the output.
	Level int
}

// ParseDebug reads the grammar of the original's environment variable: entries separated by commas, each a LEVEL or a Module:LEVEL, with blanks
// wherever one likes.
//
//	1          level 1 for all modules
//	IO:2       level 2 for this one
//	1, IO:2    the same: a module's own level wins over the bare one, in whatever order they stand
//	Client:2   nothing here: another module's level does not concern us
//
// A LEVEL is a decimal number, 0 or more. This module's name is "IO", case and all. Of two entries for the same thing the later one holds. Blank is
// level 0. Errors are of type *Error, with CodeInvalidArgument; the Debug is then the zero value.
func ParseDebug(s string) (Debug, error) {
	if strings.TrimSpace(s) == "" {
		return Debug{}, nil
	}
	bare, own, hasOwn := 0, 0, false
	for entry := range strings.SplitSeq(s, ",") {
		module, level, named := strings.Cut(entry, ":")
		if !named {
			module, level = "", entry
		}
		module, level = strings.TrimSpace(module), strings.TrimSpace(level)
		n, err := strconv.ParseUint(level, 10, 31)
		if err != nil || named && module == "" {
			return Debug{}, invalid("parse debug", "", "entry %q of %q is neither LEVEL nor Module:LEVEL, as in %q", strings.TrimSpace(entry), s, "1,IO:2")
		}
		switch {
		case !named:
			bare = int(n)
		case module == debugModule:
			own, hasOwn = int(n), true
		}
	}
	if hasOwn {
		return Debug{Level: own}, nil
	}
	return Debug{Level: bare}, nil
}

// newTracer is nil where nothing is to be logged. An environment variable must not break a program: one that cannot be read is named on the debug
// output, once for each text, and counts as level 0.
func newTracer(cfg *Config) *tracer {
	t := &tracer{out: os.Stderr}
	if cfg.Logger != nil {
		t.log = cfg.Logger.Handler()
	}
	if cfg.Debug != nil {
		t.level = cfg.Debug.Level
	} else if text := os.Getenv(DebugVariable); text != "" {
		d, err := ParseDebug(text)
		if err != nil && refusedOnce.first(text) {
			t.event("environment variable ignored", "variable", DebugVariable, "error", err)
		}
		t.level = d.Level
	}
	if t.level <= 0 {
		return nil
	}
	return t
}

// refusedOnce remembers the last text of the environment variable that was complained about.
var refusedOnce saidOnce

type saidOnce struct {
	mu   sync.Mutex
	text string
}

// first reports whether text differs from the one before.
func (o *saidOnce) first(text string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text == text {
		return false
	}
	o.text = text
	return true
}
