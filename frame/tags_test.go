package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"
	"time"

	"kafkaio/frame"
)

func TestSkipTagsGoldenBytes(t *testing.T) {
	tests := []struct {
		name, hex, rest string
	}{
		{"none", "00 aabb", "aabb"},
		{"none and nothing after", "00", ""},
		{"one, empty", "01 00 00 aa", "aa"},
		{"one", "01 05 03 010203 aa", "aa"},
		{"two", "02 00 01 ff 01 02 eeee aa", "aa"},
		{"tag of two bytes", "01 904e 01 ff aa", "aa"}, // 10000
		{"tag of 32 bits", "01 ffffffff0f 00 aa", "aa"},
		{"count with needless bytes", "80808000 aa", "aa"},
		{"length with needless bytes", "01 00 818000 ff aa", "aa"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, want := unhex(t, tt.hex), unhex(t, tt.rest)
			got, err := frame.SkipTags(b)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("got %x, %v, want %x", got, err, want)
			}
			for n := range len(b) - len(want) {
				if rest, err := frame.SkipTags(b[:n]); !errors.Is(err, io.ErrUnexpectedEOF) || rest != nil {
					t.Errorf("%x: got %x, %v, want io.ErrUnexpectedEOF", b[:n], rest, err)
				}
			}
		})
	}
}

func TestSkipTagsRefusesHostileBytes(t *testing.T) {
	tests := []struct {
		name, hex string
		want      error
		field     string
		offset    int
	}{
		{"count of 4 billion", "ffffffff0f", frame.ErrTooManyTags, "tag count", 0},
		{"count just over the bound", "8108", frame.ErrTooManyTags, "tag count", 0}, // 1025
		{"count of 33 bits", "ffffffff1f", frame.ErrVarint, "tag count", 0},
		{"count without end", "ffffffffff01", frame.ErrVarint, "tag count", 0},
		{"count that the bytes cannot hold", "02 00 00 00", io.ErrUnexpectedEOF, "tags", 1},
		{"tag without end", "01 808080808001 00", frame.ErrVarint, "tag", 1},
		{"length of 4 billion", "01 00 ffffffff0f aa", io.ErrUnexpectedEOF, "tag value", 7},
		{"length one too many", "01 00 02 aa", io.ErrUnexpectedEOF, "tag value", 3},
		{"length of 33 bits", "01 00 ffffffff7f", frame.ErrVarint, "tag length", 2},
		{"second tag cut", "02 00 03 aabbcc 80", io.ErrUnexpectedEOF, "tag", 6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			rest, err := frame.SkipTags(unhex(t, tt.hex))
			var herr *frame.HeaderError
			if !errors.As(err, &herr) || !errors.Is(err, tt.want) || rest != nil {
				t.Fatalf("got %x, %v, want %v", rest, err, tt.want)
			}
			if herr.Field != tt.field || herr.Offset != tt.offset {
				t.Errorf("got field %q at %d, want %q at %d", herr.Field, herr.Offset, tt.field, tt.offset)
			}

			// Inside a header the offset counts from the header's start.
			response := append([]byte{0, 0, 0, 7}, unhex(t, tt.hex)...)
			if _, _, err = frame.ParseResponseHeader(response, 1); !errors.As(err, &herr) || herr.Offset != tt.offset+4 {
				t.Errorf("in a response: %v, want offset %d", err, tt.offset+4)
			}
			request := append(unhex(t, "0012 0003 00000007 0001 78"), unhex(t, tt.hex)...)
			if _, _, err = frame.ParseRequestHeader(request, 2); !errors.As(err, &herr) || herr.Offset != tt.offset+11 {
				t.Errorf("in a request: %v, want offset %d", err, tt.offset+11)
			}
		})
	}
}

func TestSkipTagsTakesTheMostTagsAllowed(t *testing.T) {
	b := binary.AppendUvarint(nil, frame.MaxTags)
	for tag := range uint64(frame.MaxTags) {
		b = binary.AppendUvarint(b, tag)
		b = append(b, 1, 0xff)
	}
	rest, err := frame.SkipTags(append(b, "body"...))
	if err != nil || string(rest) != "body" {
		t.Fatalf("got %q, %v, want the body", rest, err)
	}
}

func TestHostileTagsCostMicroseconds(t *testing.T) {
	// The same five bytes keep a loop that trusts the count busy for seconds, however much follows them.
	hostile := append(unhex(t, "00000007 ffffffff0f"), make([]byte, 1<<20)...)
	const runs = 1000
	start := time.Now()
	for range runs {
		if _, _, err := frame.ParseResponseHeader(hostile, 1); err == nil {
			t.Fatal("four billion tags were accepted")
		}
	}
	// About a microsecond each, most of it the text of the error. A loop over the 1 MiB that follows would take about a millisecond.
	if per := time.Since(start) / runs; per > 100*time.Microsecond {
		t.Errorf("refusing hostile tags takes %v, want microseconds", per)
	}
}
