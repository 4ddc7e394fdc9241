package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// SizeError reports a size prefix that is negative or over the limit. Always used as *SizeError.
//
// A negative size is an error by the protocol (apache/kafka NetworkReceive.java, readFrom: "Invalid receive"). In practice either
// kind means a peer that does not speak Kafka, or a stream that lost its place.
type SizeError struct {
	Size    int32   // as it stood in the prefix
	Limit   int     // the largest size accepted, in bytes
	Foreign Foreign // what the four bytes look like, if they are not Kafka's
}

func newSizeError(size uint32, limit int32) *SizeError {
	var prefix [SizeBytes]byte
	binary.BigEndian.PutUint32(prefix[:], size)
	return &SizeError{Size: int32(size), Limit: int(limit), Foreign: Recognise(prefix[:])}
}

// Error gives the size, the limit and the likely cause.
func (e *SizeError) Error() string {
	wrong := "is over the limit of"
	cause := "the peer does not speak Kafka, the stream lost its place, or the limit is too low"
	if e.Size < 0 {
		wrong = "is negative, the limit is"
		cause = "the peer does not speak Kafka, or the stream lost its place"
	}
	if advice := e.Foreign.advice(); advice != "" {
		cause = advice
	}
	return fmt.Sprintf("frame size %d %s %d bytes: %s", e.Size, wrong, e.Limit, cause)
}

// HeaderError reports a header that could not be read. Always used as *HeaderError.
type HeaderError struct {
	Field  string // the field that could not be read, such as "client id" or "tag count"
	Offset int    // where that field begins, in bytes from the start of the slice that was given to the parser
	Err    error  // why; matches io.ErrUnexpectedEOF if the bytes ended too early
}

// Error gives field, offset and reason.
func (e *HeaderError) Error() string {
	return fmt.Sprintf("header field %q at offset %d: %v", e.Field, e.Offset, e.Err)
}

// Unwrap returns the reason.
func (e *HeaderError) Unwrap() error { return e.Err }

var (
	// ErrHeaderVersion is the reason in a [*HeaderError] for a header version that this package does not know. It is the caller's
	// choice and not in the bytes, so the error has offset 0.
	ErrHeaderVersion = errors.New("unknown header version")

	// ErrTooManyTags is the reason in a [*HeaderError] for more than [MaxTags] tags.
	ErrTooManyTags = errors.New("too many tags")

	// ErrVarint is the reason in a [*HeaderError] for an unsigned varint of more than 32 bits.
	ErrVarint = errors.New("varint longer than 32 bits")

	// ErrStringLength is the reason in a [*HeaderError] for a string length below -1.
	ErrStringLength = errors.New("negative string length other than -1 (null)")
)

// truncated is the HeaderError for a field of need bytes of which only left are there.
func truncated(field string, offset int, need int64, left int) *HeaderError {
	return &HeaderError{field, offset, fmt.Errorf("needs %d bytes, %d left: %w", need, left, io.ErrUnexpectedEOF)}
}
