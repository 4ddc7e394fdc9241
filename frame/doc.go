// Package frame turns bytes into Kafka frames and headers, and headers back into bytes.
//
// It knows bytes only: it opens no socket, reads no clock, starts no goroutine and takes no lock.
//
//	var a frame.Assembler
//	for {
//		n, err := conn.Read(chunk)
//		for rest := chunk[:n]; len(rest) > 0; {
//			f, more, ok, ferr := a.Next(rest)
//			if ferr != nil {
//				return ferr // a *SizeError: what was promised, what is allowed, who really speaks
//			}
//			if ok {
//				handle(f) // f.Payload is borrowed from chunk unless f.Owned
//			}
//			rest = more
//		}
//		if err != nil {
//			return err // a.MidFrame() tells a clean end from a cut
//		}
//	}
//
// # Layout
//
// A connection carries frames back to back, in both directions. All numbers are big-endian.
//
//	offset  bytes  a frame
//	0       4      size, signed int32: how many bytes follow; 0 is legal, negative is an error
//	4       size   payload: a header, then a body that this package does not look into
//
//	offset  bytes  a request's payload                         header version
//	0       2      API key, int16                              0, 1, 2
//	2       2      API version, int16                          0, 1, 2
//	4       4      correlation id, int32                       0, 1, 2
//	8       2      length n of the client id, int16; -1: null     1, 2
//	10      n      client id, UTF-8                               1, 2
//	10+n    1..    tags                                              2
//
//	offset  bytes  a response's payload                        header version
//	0       4      correlation id, int32, as in the request    0, 1
//	4       1..    tags                                           1
//
//	tags: count, then count times: tag, length n, n bytes; count, tag and length are unsigned varints
//
// The client id keeps its two-byte length in header version 2, although that version is flexible: a broker has to be able to read
// the header of any ApiVersions request. For the same reason the answer to ApiVersions keeps response header version 0, even where
// its body is flexible (KIP-511).
//
// Sources: the Kafka protocol guide, "Network", "Protocol Primitive Types" and "Common Request and Response Structure"
// (https://kafka.apache.org/protocol); the schemas RequestHeader.json and ResponseHeader.json in apache/kafka,
// clients/src/main/resources/common/message; KIP-482 for tags; readFrom in apache/kafka
// clients/src/main/java/org/apache/kafka/common/network/NetworkReceive.java for the size.
//
// # Model
//
// An [Assembler] belongs to one direction of one connection and is used by one goroutine at a time. Everything else is a plain
// function, safe for concurrent use as long as its callers do not share a slice that one of them writes.
//
// Bytes reach an Assembler in two ways that may be mixed freely: [Assembler.Next] walks over a chunk that was read elsewhere, and
// [Assembler.Room] with [Assembler.Filled] lets the reader put the rest of a large frame straight where it belongs.
//
// # Buffers
//
// A [Frame] whose payload lay whole in the chunk given to Next borrows that chunk: nothing is copied or allocated, and the payload
// is valid until the owner of the chunk reuses it. A frame that came in pieces is collected into a buffer of its own, which is
// transferred to the caller for good. Every slice handed out has its capacity clipped, so appending to it never writes into a
// neighbour. Parsing functions borrow their input and return bodies that alias it; strings are copied.
//
// # Errors
//
// [*SizeError] is the only error of an Assembler: the size is negative or over the limit. It ends the stream, for nothing tells
// where the next frame would start. [*HeaderError] names the field and the offset at which a header could not be read, and matches
// [io.ErrUnexpectedEOF] where the bytes ended too early. A call that breaks the rules written on a function panics.
//
// # Limits
//
// A frame is refused above [DefaultMaxBytes] unless [Assembler.SetMaxBytes] says otherwise. Memory follows the bytes that really
// arrived (see [Assembler]), never the size that was promised. A header has at most [MaxTags] tags and a client id of at most
// [MaxClientIDBytes].
package frame
