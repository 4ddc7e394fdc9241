package loop

import (
	"time"

	"kafkaio/frame"
)

// Observer is told what happens on a [Conn]. Each function may be nil, and costs nothing then. None is called under a lock; each runs where the work is
// done, so that it must not block, and must not call the connection's methods but for Addr, LocalAddr and RemoteAddr. A panic in one is recovered,
// reported to the engine's Logger, and closes the connection with a [PanicError].
type Observer struct {
	// OnWrite is called after each write of requests, on the writer's goroutine: one of the callers, the loop, or, for a write that had to wait for room
	// in the socket, a goroutine of its own. The answers may have come before it.
	OnWrite func(WriteInfo)
	// OnRead is called for answers that have been read and matched, on the loop, before they are handed over.
	OnRead func(ReadInfo)
	// OnRequest is called once for each accepted request, at its end: on the caller's goroutine before the call returns, or for Submit on the loop before
	// the callback.
	OnRequest func(RequestInfo)
}

// WriteInfo is one write: all that was queued when the writer looked, up to a bound.
type WriteInfo struct {
	Requests int           // that it was to carry
	Bytes    int           // that were handed to the socket, or to TLS
	Elapsed  time.Duration // waiting for room in the socket included
	Err      error         // what has ended the write, and with it the connection; nil where it is complete
}

// ReadInfo is answers that came at the same time.
type ReadInfo struct {
	Responses int // late ones included, which nobody waits for any more
	Bytes     int // size prefixes included
}

// RequestInfo is the end of one request, and where its time has gone: Queue, Write, Wait and Read add up to Total. A request that ends without its answer
// has spent the rest of its time in the step that it was in; one whose answer had begun to arrive, in Wait.
type RequestInfo struct {
	Key, Version  int16               // of its header; -1 for a bare token of SASL, which has none
	CorrelationID frame.CorrelationID // on the wire; 0 where it was never queued
	OneWay        bool                // no answer was due

	BytesSent     int // as far as they had been handed to the socket, or to TLS; the size prefix included
	BytesReceived int // of its answer, if that came; the size prefix included

	Queue time.Duration // from being accepted until a writer took it to the socket: for room, for the broker's quota, for those before it
	Write time.Duration // until its last byte was handed over, to within one write: for room in the socket
	Wait  time.Duration // until the first byte of its answer was read: the line, the peer, and this side's loop
	Read  time.Duration // until its answer was complete
	Total time.Duration

	Err error // what the caller gets; nil for an answer
}
