package loop

import (
	"errors"
	"io"
	"testing"
	"time"
)

// TestTheCauseIsKnownBeforeTheSocketIsGone: a writer who finds the socket gone must not be the first to say why.
func TestTheCauseIsKnownBeforeTheSocketIsGone(t *testing.T) {
	c := &Conn{timerAt: never, reg: noRegistration{}, engine: &Engine{}}
	c.sock.mu.Lock() // as a write in progress has it: onClose cannot take the socket away
	ended := make(chan struct{})
	go func() { c.onClose(io.EOF); close(ended) }()
	for deadline := time.Now().Add(10 * time.Second); c.Err() == nil && time.Now().Before(deadline); {
		<-time.After(time.Millisecond)
	}
	if err := c.Err(); !errors.Is(err, io.EOF) {
		t.Errorf("Err = %v while a write is in progress, want the peer's end", err)
	}
	c.sock.mu.Unlock()
	<-ended
}
