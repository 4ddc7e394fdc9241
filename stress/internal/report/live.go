package report

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"kafkaio/stress/internal/load"
)

// Style is how a live line is shown.
type Style int

// The styles.
const (
	Silent Style = iota // not at all
	Plain               // a new line each time
	Redraw              // one line of a terminal, in place
)

// clearLine takes the cursor to the beginning of the line and clears it (ECMA-48, EL).
const clearLine = "\r\x1b[K"

// Live shows a line that changes, and notes above it. Safe for concurrent use.
type Live struct {
	// Immutable.
	w     io.Writer
	style Style
	width func() int // of the terminal; 0 where that is not known

	mu    sync.Mutex // guards what follows, and keeps writes apart
	drawn bool
	err   error
}

// NewLive shows lines on w. width is asked each time, as windows change; nil is unknown.
func NewLive(w io.Writer, style Style, width func() int) *Live {
	if width == nil {
		width = func() int { return 0 }
	}
	return &Live{w: w, style: style, width: width}
}

// Show replaces the line.
func (l *Live) Show(line string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch l.style {
	case Silent:
	case Plain:
		l.write(line + "\n")
	case Redraw:
		l.write(clearLine + cut(line, l.width()-1)) // a full line would wrap on some terminals
		l.drawn = true
	}
}

// Clear takes the line away.
func (l *Live) Clear() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clearLocked()
}

// Note writes a line that stays, whatever the style.
func (l *Live) Note(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.clearLocked()
	l.write(fmt.Sprintf(format, args...) + "\n")
}

// Err is the first error of writing.
func (l *Live) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *Live) clearLocked() {
	if l.drawn {
		l.write(clearLine)
		l.drawn = false
	}
}

func (l *Live) write(s string) {
	if _, err := io.WriteString(l.w, s); err != nil && l.err == nil {
		l.err = err
	}
}

// cut shortens a line to a width; 0 or less is unknown.
func cut(line string, width int) string {
	if width <= 0 || utf8.RuneCountInString(line) <= width {
		return line
	}
	return string([]rune(line)[:width-1]) + "…"
}

// Line describes progress in a line. duration is that of sending; 0 is without end.
func Line(p load.Progress, duration time.Duration) string {
	switch p.Phase {
	case load.Connecting:
		line := fmt.Sprintf("connecting: %s of %s", number(p.Opened), number(p.Wanted))
		if p.Unopened > 0 {
			line += fmt.Sprintf(", %s failed", number(p.Unopened))
		}
		return line
	case load.Sending:
		return sendingLine(p, duration)
	default:
		return fmt.Sprintf("waiting for the last %s", Count(p.InFlight, "answer"))
	}
}

func sendingLine(p load.Progress, duration time.Duration) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%5.1fs", p.Sending.Seconds())
	if duration > 0 {
		fmt.Fprintf(&b, " of %gs", duration.Seconds())
	}
	fmt.Fprintf(&b, "   %7s ok/s   %s in flight   p50 %-6s  p99 %-6s", number(int64(p.Rate)), number(p.InFlight), latency(p.P50), latency(p.P99))
	if p.Died > 0 {
		fmt.Fprintf(&b, "   %s died", Count(p.Died, "connection"))
	}
	if errors := classes(p.Errors); errors != "" {
		fmt.Fprintf(&b, "   errors: %s", errors)
	} else {
		b.WriteString("   no errors")
	}
	return b.String()
}
