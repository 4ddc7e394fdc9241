package frame_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"testing"

	"kafkaio/frame"
)

const readBytes = 64 << 10

// BenchmarkSmallFrames takes as many frames out of one 64 KiB read as fit.
func BenchmarkSmallFrames(b *testing.B) {
	for _, size := range []int{16, 100, 1000} {
		b.Run(fmt.Sprintf("%dB", size), func(b *testing.B) {
			chunk := bytes.Repeat(wire(noise(1, size)), readBytes/(size+frame.SizeBytes))
			var a frame.Assembler
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			frames := 0
			for b.Loop() {
				for rest := chunk; len(rest) > 0; frames++ {
					_, more, ok, err := a.Next(rest)
					if !ok || err != nil {
						b.Fatal("a whole frame was not found")
					}
					rest = more
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(frames), "ns/frame")
		})
	}
}

// BenchmarkLargeFrame collects a 1 MiB frame that comes in reads of 64 KiB, in each way that there is, and as io.ReadFull would.
func BenchmarkLargeFrame(b *testing.B) {
	stream := wire(noise(1, 1<<20))
	b.Run("next", func(b *testing.B) {
		var a frame.Assembler
		b.SetBytes(int64(len(stream)))
		b.ReportAllocs()
		for b.Loop() {
			done := false
			for at := 0; at < len(stream); at += readBytes {
				_, _, ok, err := a.Next(stream[at:min(at+readBytes, len(stream))])
				if err != nil {
					b.Fatal(err)
				}
				done = ok
			}
			if !done {
				b.Fatal("the frame did not end")
			}
		}
	})
	b.Run("room", func(b *testing.B) {
		var a frame.Assembler
		b.SetBytes(int64(len(stream)))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, _, err := a.Next(stream[:readBytes]); err != nil {
				b.Fatal(err)
			}
			done := false
			for at := readBytes; at < len(stream); {
				n := copy(a.Room(), stream[at:])
				_, done = a.Filled(n)
				at += n
			}
			if !done {
				b.Fatal("the frame did not end")
			}
		}
	})
	b.Run("readfull", func(b *testing.B) {
		b.SetBytes(int64(len(stream)))
		b.ReportAllocs()
		r := bytes.NewReader(nil)
		var prefix [frame.SizeBytes]byte
		for b.Loop() {
			r.Reset(stream)
			if _, err := io.ReadFull(r, prefix[:]); err != nil {
				b.Fatal(err)
			}
			payload := make([]byte, binary.BigEndian.Uint32(prefix[:]))
			if _, err := io.ReadFull(r, payload); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkAppendRequestHeader(b *testing.B) {
	client := "kafkaio"
	h := frame.RequestHeader{Key: frame.APIKeyMetadata, Version: 12, CorrelationID: 1, ClientID: &client}
	buf := make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		buf = frame.AppendRequestHeader(buf[:0], 2, h)
	}
	b.SetBytes(int64(len(buf)))
}

func BenchmarkParseResponseHeader(b *testing.B) {
	response := []byte("\x00\x00\x00\x07\x00body")
	b.SetBytes(int64(len(response)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := frame.ParseResponseHeader(response, 1); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkHostileTags refuses four billion tags announced in five bytes.
func BenchmarkHostileTags(b *testing.B) {
	response := []byte("\x00\x00\x00\x07\xff\xff\xff\xff\x0f")
	b.SetBytes(int64(len(response)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := frame.ParseResponseHeader(response, 1); err == nil {
			b.Fatal("accepted")
		}
	}
}
