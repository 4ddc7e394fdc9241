package frame

import (
	"encoding/binary"
	"fmt"
	"math"
)

const (
	// RequestHeaderMinBytes is the length of the fields that every request header starts with: API key, API version, correlation id.
	RequestHeaderMinBytes = 8

	// ResponseHeaderMinBytes is the length of the field that every response header starts with: the correlation id.
	ResponseHeaderMinBytes = 4

	// MaxClientIDBytes is the longest client id that the int16 before it can announce (protocol guide, NULLABLE_STRING).
	MaxClientIDBytes = math.MaxInt16
)

// Where the fields of a request header begin; the drawing is in the package's documentation.
const (
	offsetAPIKey        = 0
	offsetAPIVersion    = 2
	offsetCorrelationID = 4
	offsetClientID      = RequestHeaderMinBytes
	clientIDLengthBytes = 2
	nullStringLength    = -1
)

// CorrelationID is the number by which a response names its request. A client chooses it, a broker returns it unchanged.
type CorrelationID int32

// RequestHeader is what stands before the body of a request: all fields of header version 2 (apache/kafka RequestHeader.json).
type RequestHeader struct {
	Key           APIKey
	Version       int16 // of the request's body; not the header's version, which follows from Key and Version
	CorrelationID CorrelationID
	ClientID      *string // nil is null, other than the empty string; absent from header version 0
}

// AppendRequestHeader appends h to dst in the given header version and returns the extended slice. The size prefix is not part of it.
//
// Version 0 has no client id and belongs to ControlledShutdown v0 alone (gone since Kafka 4.0), 1 to all other requests before their
// first flexible version, 2 to flexible ones: it adds tags, here none. The client id is a nullable string with a two-byte length in 2
// as well, never a compact one (apache/kafka RequestHeader.json, ClientId: "flexibleVersions": "none").
//
// It panics on another header version and on a client id of more than [MaxClientIDBytes]: both are the caller's to check.
func AppendRequestHeader(dst []byte, headerVersion int, h RequestHeader) []byte {
	if !requestHeaderVersionKnown(headerVersion) {
		panic(fmt.Sprintf("frame: AppendRequestHeader with header version %d, want 0, 1 or 2", headerVersion))
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Key))
	dst = binary.BigEndian.AppendUint16(dst, uint16(h.Version))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.CorrelationID))
	if headerVersion >= 1 {
		dst = appendNullableString(dst, h.ClientID)
	}
	if headerVersion >= 2 {
		dst = append(dst, 0) // no tags
	}
	return dst
}

// ParseRequestHeader reads a header of the given version from the start of b, a request without its size prefix. body is what follows
// and aliases b; h keeps nothing of b. Tags are skipped under the bound of [SkipTags].
//
// The error is a [*HeaderError]: the bytes ended too early ([io.ErrUnexpectedEOF]), [ErrStringLength], one of SkipTags, or
// [ErrHeaderVersion] for a header version other than 0, 1 and 2.
func ParseRequestHeader(b []byte, headerVersion int) (h RequestHeader, body []byte, err error) {
	if !requestHeaderVersionKnown(headerVersion) {
		return RequestHeader{}, nil, unknownVersion(headerVersion)
	}
	switch left := len(b); {
	case left < offsetAPIVersion:
		return RequestHeader{}, nil, truncated("api key", offsetAPIKey, 2, left-offsetAPIKey)
	case left < offsetCorrelationID:
		return RequestHeader{}, nil, truncated("api version", offsetAPIVersion, 2, left-offsetAPIVersion)
	case left < RequestHeaderMinBytes:
		return RequestHeader{}, nil, truncated("correlation id", offsetCorrelationID, 4, left-offsetCorrelationID)
	}
	h.Key = APIKey(binary.BigEndian.Uint16(b[offsetAPIKey:]))
	h.Version = int16(binary.BigEndian.Uint16(b[offsetAPIVersion:]))
	h.CorrelationID = CorrelationID(binary.BigEndian.Uint32(b[offsetCorrelationID:]))

	offset := offsetClientID
	if headerVersion >= 1 {
		var herr *HeaderError
		if h.ClientID, offset, herr = nullableString(b, offset, "client id"); herr != nil {
			return RequestHeader{}, nil, herr
		}
	}
	if headerVersion >= 2 {
		var herr *HeaderError
		if offset, herr = skipTags(b, offset); herr != nil {
			return RequestHeader{}, nil, herr
		}
	}
	return h, b[offset:], nil
}

// ParseResponseHeader reads a header of the given version from the start of b, a response without its size prefix. body is what
// follows and aliases b. Version 0 is the correlation id alone; 1 adds tags, skipped under the bound of [SkipTags] (apache/kafka
// ResponseHeader.json). Mind that the answer to ApiVersions has header version 0 in every version of its body (KIP-511).
//
// The error is a [*HeaderError]: the bytes ended too early ([io.ErrUnexpectedEOF]), one of SkipTags, or [ErrHeaderVersion] for a
// header version other than 0 and 1.
func ParseResponseHeader(b []byte, headerVersion int) (id CorrelationID, body []byte, err error) {
	if headerVersion != 0 && headerVersion != 1 {
		return 0, nil, unknownVersion(headerVersion)
	}
	id, ok := PeekCorrelationID(b)
	if !ok {
		return 0, nil, truncated("correlation id", 0, ResponseHeaderMinBytes, len(b))
	}
	offset := ResponseHeaderMinBytes
	if headerVersion >= 1 {
		var herr *HeaderError
		if offset, herr = skipTags(b, offset); herr != nil {
			return 0, nil, herr
		}
	}
	return id, b[offset:], nil
}

// PeekCorrelationID reads the correlation id of a response, given without its size prefix; it stands first in every header version. It
// is false if the response is shorter than [ResponseHeaderMinBytes].
func PeekCorrelationID(response []byte) (CorrelationID, bool) {
	if len(response) < ResponseHeaderMinBytes {
		return 0, false
	}
	return CorrelationID(binary.BigEndian.Uint32(response)), true
}

// PutCorrelationID writes the correlation id into a request that has its header already, given without its size prefix. It stands at
// offset 4 in every header version. It panics if the request is shorter than [RequestHeaderMinBytes].
func PutCorrelationID(request []byte, id CorrelationID) {
	if len(request) < RequestHeaderMinBytes {
		panic(fmt.Sprintf("frame: PutCorrelationID into %d bytes, a request header has at least %d", len(request), RequestHeaderMinBytes))
	}
	binary.BigEndian.PutUint32(request[offsetCorrelationID:], uint32(id))
}

func requestHeaderVersionKnown(v int) bool { return v >= 0 && v <= 2 }

func unknownVersion(v int) *HeaderError {
	return &HeaderError{"header version", 0, fmt.Errorf("%w: %d", ErrHeaderVersion, v)}
}

func appendNullableString(dst []byte, s *string) []byte {
	if s == nil {
		return append(dst, 0xff, 0xff) // nullStringLength as an int16
	}
	if len(*s) > MaxClientIDBytes {
		panic(fmt.Sprintf("frame: client id of %d bytes, at most %d", len(*s), MaxClientIDBytes))
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(*s)))
	return append(dst, *s...)
}

// nullableString reads a string with a two-byte length at offset and returns a copy of it and the offset behind it.
func nullableString(b []byte, offset int, field string) (*string, int, *HeaderError) {
	if left := len(b) - offset; left < clientIDLengthBytes {
		return nil, 0, truncated(field+" length", offset, clientIDLengthBytes, left)
	}
	n := int(int16(binary.BigEndian.Uint16(b[offset:])))
	start := offset + clientIDLengthBytes
	switch left := len(b) - start; {
	case n == nullStringLength:
		return nil, start, nil
	case n < nullStringLength:
		return nil, 0, &HeaderError{field + " length", offset, fmt.Errorf("%w: %d", ErrStringLength, n)}
	case n > left:
		return nil, 0, truncated(field, start, int64(n), left)
	}
	s := string(b[start : start+n])
	return &s, start + n, nil
}
