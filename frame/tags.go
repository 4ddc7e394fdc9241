package frame

import "fmt"

// MaxTags is the largest number of tags that is skipped. A guess with room to spare: no request or response header has defined a tag so
// far (RequestHeader.json, ResponseHeader.json), and no schema of Kafka comes near it.
const MaxTags = 1024

const (
	tagMinBytes    = 2 // a tag and a length of one byte each
	varintMaxBytes = 5 // 32 bits, seven a byte
)

// SkipTags skips the tagged fields at the start of b and returns what follows, which aliases b (KIP-482: a count, then for each field
// its tag, its length and so many bytes, all numbers unsigned varints).
//
// Its cost is bounded by the bytes that are really there, whatever number they spell: a count of four billion in five bytes is refused
// at once. The order of tags, which writers keep ascending, is not checked.
//
// The error is a [*HeaderError] that matches [ErrTooManyTags] (more than [MaxTags]), [ErrVarint] or [io.ErrUnexpectedEOF].
func SkipTags(b []byte) (rest []byte, err error) {
	end, herr := skipTags(b, 0)
	if herr != nil {
		return nil, herr
	}
	return b[end:], nil
}

// skipTags skips the tags that begin at offset and returns the offset behind them.
func skipTags(b []byte, offset int) (int, *HeaderError) {
	count, at, herr := uvarint(b, offset, "tag count")
	if herr != nil {
		return 0, herr
	}
	if count > MaxTags {
		return 0, &HeaderError{"tag count", offset, fmt.Errorf("%w: %d, at most %d", ErrTooManyTags, count, MaxTags)}
	}
	if need, left := int(count)*tagMinBytes, len(b)-at; need > left {
		return 0, truncated("tags", at, int64(need), left)
	}
	for range count {
		if _, at, herr = uvarint(b, at, "tag"); herr != nil {
			return 0, herr
		}
		var n uint32
		if n, at, herr = uvarint(b, at, "tag length"); herr != nil {
			return 0, herr
		}
		if left := len(b) - at; int64(n) > int64(left) {
			return 0, truncated("tag value", at, int64(n), left)
		}
		at += int(n)
	}
	return at, nil
}

// uvarint reads an unsigned varint of at most 32 bits at offset: seven bits a byte, the lowest first, the high bit says that
// another byte follows (KIP-482; apache/kafka ByteUtils.java, readUnsignedVarint). Needless zero bytes at its end are accepted, as
// there. It returns the offset behind it.
func uvarint(b []byte, offset int, field string) (uint32, int, *HeaderError) {
	var v uint32
	for i := range varintMaxBytes {
		at := offset + i
		if at >= len(b) {
			return 0, 0, truncated(field, offset, int64(i)+1, i)
		}
		c := b[at]
		if i == varintMaxBytes-1 && c > 0x0f {
			break
		}
		v |= uint32(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, at + 1, nil
		}
	}
	return 0, 0, &HeaderError{field, offset, ErrVarint}
}
