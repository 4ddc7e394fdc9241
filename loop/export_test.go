package loop

// Insiders for the black-box tests.

// Outstanding is the number of pooled entries and buffers that are out, and of the bytes that budgets hold; counted in race builds only.
func Outstanding() int64 {
	return entriesOut.value() + buffersOut.value() + bytesHeld.value() + timingsOut.value()
}

// ReceivingPeak and SendingPeak are the most that an engine's budgets have held; 0 in builds without the race detector.
func ReceivingPeak(e *Engine) int64 { return e.receiving.peak.Load() }
func SendingPeak(e *Engine) int64   { return e.sending.peak.Load() }

// UnaskedBytes is what a connection may hold unasked of a budget for receiving, with the read that brought it there.
const UnaskedBytes = 2 * unaskedBytes

// ErrTimeout is the error of a passed deadline.
var ErrTimeout = errTimeout

// Raise the parts of limits that tests lean on.
const (
	CombineBytes     = combineBytes
	LendBytes        = lendBytes
	StreamPauseBytes = streamPauseBytes
)

// GoroutineID names the calling goroutine.
func GoroutineID() uint64 { return goroutineID() }

// Stalling tells whether a writer of the stream waits for room.
func Stalling(s *Stream) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stalling
}

// Rests is how often the loops have rested so that answers gather.
func Rests(e *Engine) int64 {
	if d, ok := e.driver.(interface{ rested() int64 }); ok {
		return d.rested()
	}
	return 0
}

// Counted is what the loops' counts of connections with something in flight have in them: weights, and those that allow a rest.
func Counted(e *Engine) (weights, patient int64) {
	if d, ok := e.driver.(interface{ counted() (int64, int64) }); ok {
		return d.counted()
	}
	return 0, 0
}
