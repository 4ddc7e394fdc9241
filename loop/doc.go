// Package loop holds thousands of connections on a few event loops.
//
//	e, err := loop.Start(loop.Config{})
//	c, err := e.Dial(ctx, "broker:9092", loop.DialConfig{})
//	answer, err := c.RoundTrip(ctx, request, time.Second)
//
// A [Conn] is pipelined: it frames requests with a size prefix, gives each a correlation id, and matches the answers, which a broker sends in
// the order of the requests. A [Stream] carries bytes.
//
// # Model
//
// Goroutines: one a loop; one for each writer that waits for room in a full socket, for as long; the runtime's, when a deadline passes. A connection
// that is idle has none, and no buffer.
//
// Callers write to the socket themselves. Who finds nobody writing becomes the writer of the connection and writes what all have queued; the others
// leave their bytes and wait for their answers. Answers are read on the loop, matched, and handed over.
//
// # Buffers
//
// A request is borrowed until the call returns. An answer of RoundTrip is transferred for good; one given to a callback of Submit is borrowed by it until
// it returns. Streams copy, or read into the slice of a reader who waits.
//
// # Errors
//
// Every accepted request ends exactly once: with its answer, its deadline, its context, or the end of its connection, be that by Close, by Stop, by the
// peer or by a panic in a callback. Errors of operations are of type [*OpError], whose Unsent tells whether the peer can have seen any byte.
//
// # Watching
//
// Stats of a Conn or an Engine are counts; an [Observer] is told of each write, each read and each request's end, where it happens.
//
// # Limits
//
// [Limits] bound what a connection holds: requests in flight, bytes that wait to be sent, the size of an answer, and how many abandoned requests may
// stay unanswered and for how long; a write that makes no progress ends its connection. [Config] bounds all connections of an engine together: the memory
// of answers that are being collected, and the bytes that wait to be sent. A stream that nobody reads stops reading its socket.
package loop
