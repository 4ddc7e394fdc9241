package kio

import (
	"time"

	"kafkaio/loop"
)

// Hooks are told what happens on connections: for metrics and traces. Set what is of interest; what is nil costs nothing, not even a look at the clock.
//
// Each runs where the work is done, often on an event loop that serves thousands of connections, and several may run at the same time: they must not
// block, must not lock what is held during a call of this package, and must not call the connection. None is called under a lock of
// ours, and none is shown a byte of what is sent or received. One that panics is recovered and reported to EngineConfig.Logger; its connection is closed
// with a [PanicError].
type Hooks struct {
	// OnConnect is called at the end of each attempt to open a connection, with the error that the dial returns or nil, on the dialling goroutine before
	// the dial returns. elapsed covers all of it: look-up, connecting, TLS, ApiVersions, SASL. A dial that falls back to another mechanism makes
	// several attempts. What a connection sends to be opened is told of before it. A dial that is refused for its arguments is no attempt.
	OnConnect func(c ConnInfo, elapsed time.Duration, err error)
	// OnDisconnect is called once for each connection that OnConnect was told of without an error, when it has ended and its requests with it, on its event
	// loop, or on the dialling goroutine if that was earlier. It may come a little after Close has returned. cause matches net.ErrClosed where this side
	// has closed the connection, io.EOF where the broker has.
	OnDisconnect func(c ConnInfo, cause error)
	// OnWrite is called after each write to the socket, on the goroutine that writes: a caller's, the event loop's, or its own where the write had to wait
	// for room. Requests that are queued at the same time leave in one write.
	OnWrite func(c ConnInfo, w WriteInfo)
	// OnRead is called for answers that have been read together, on the event loop, before they are handed over; of a Conn for each read, on the caller's
	// goroutine.
	OnRead func(c ConnInfo, r ReadInfo)
	// OnRequest is called once for each accepted request of a Broker, its own included, at its end: on the caller's goroutine before the call returns, or
	// for Submit on the event loop before the callback.
	OnRequest func(c ConnInfo, r RequestInfo)
	// OnThrottle is called for each answer by which the broker asks to be left alone for a while (KIP-219), on the goroutine of the call that it answers. New
	// requests are kept waiting for as long as waits says, which Config.MaxThrottle bounds.
	OnThrottle func(c ConnInfo, asked, waits time.Duration)
}

// ConnInfo names a connection.
type ConnInfo struct {
	ID     uint64 // one of its own for each attempt to connect in this process, counted from 1
	Addr   string // the broker's address as it was dialled, with its port
	Local  string // the address of this end; empty where there was no connection
	Remote string // the address of the broker's end; empty where there was no connection
}

// WriteInfo is one write to a socket. Of a Conn, Requests is 0: it carries bytes.
type WriteInfo = loop.WriteInfo

// ReadInfo is one delivery of answers. Of a Conn, Responses is 0: it carries bytes.
type ReadInfo = loop.ReadInfo

// RequestInfo is the end of one request, and where its time has gone. Its Err is what the caller gets.
type RequestInfo = loop.RequestInfo

// ErrorClass tells why a request ended without its answer, or was not accepted.
type ErrorClass = loop.ErrorClass

// ErrorClassOf is the class of an error that a hook was told of, or a call has returned, as Stats counts it.
func ErrorClassOf(err error) ErrorClass { return loop.ClassOf(err) }

// ErrorCounts are numbers of requests by the class of their error.
type ErrorCounts = loop.ErrorCounts

// The classes of errors: Stats.Errors has a count for each.
const (
	ErrorTimeout      = loop.ErrorTimeout      // its deadline passed
	ErrorCancelled    = loop.ErrorCancelled    // its context was cancelled
	ErrorRefused      = loop.ErrorRefused      // not accepted: the queue is full
	ErrorNoConnection = loop.ErrorNoConnection // not accepted: the connection has ended, or is shutting down
	ErrorClosed       = loop.ErrorClosed       // this side closed the connection
	ErrorPeer         = loop.ErrorPeer         // the broker closed or reset the connection
	ErrorProtocol     = loop.ErrorProtocol     // the connection was closed because of what the broker had sent
	ErrorUnanswered   = loop.ErrorUnanswered   // the connection was given up: the broker had stopped answering or reading
	ErrorPanic        = loop.ErrorPanic        // the connection was closed because a callback had panicked
	ErrorNetwork      = loop.ErrorNetwork      // the connection failed in another way
)
