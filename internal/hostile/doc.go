// Package hostile is a broker that misbehaves on purpose, for tests.
//
// A broker listens on a free port of 127.0.0.1 and gives each accepted
// connection a [Script]: the first connection the first script, and so on; the
// last script serves every connection after it.
//
//	b := hostile.Listen(t,
//		hostile.Seq(hostile.AnswerN(1, versions), hostile.Reset(1)), // first connection
//		hostile.Answer(nil),                                         // all others
//	)
//	conn, err := net.Dial("tcp", b.Addr())
//
// # Model
//
// A script runs on a goroutine of its own, one for each connection. Scripts
// compose with [Seq]: each step starts where the one before has stopped
// reading. When the last step returns and has not closed the connection, the
// broker goes on reading and throws away what comes, without answering, until
// the client closes or the test ends.
//
// The broker ends with the test, or earlier with [Broker.Close]: it closes the
// listener and all connections, which unblocks the scripts, and waits for
// them.
//
// # Frames
//
// A request is a signed 32-bit big-endian size and that many bytes, with the
// correlation id at offset 4 of these bytes (apache/kafka
// clients/src/main/resources/common/message/RequestHeader.json). An answer is a
// size, the correlation id of the request, and a body from a [Body] function.
// For answers with a flexible header the body has to begin with the tagged
// fields of the header.
//
// The package frames with the standard library alone and imports nothing else
// of this module: a peer that shares the code under test shares its bugs.
//
// # Limits
//
// A request that is negative, shorter than 8 bytes or longer than
// [MaxRequestBytes] ends the step that reads it.
package hostile
