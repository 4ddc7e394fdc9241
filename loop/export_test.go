package loop

// Insiders for the black-box tests.

// Outstanding is the number of pooled entries and buffers that are out; counted in race builds only.
func Outstanding() int64 { return entriesOut.value() + buffersOut.value() }

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
