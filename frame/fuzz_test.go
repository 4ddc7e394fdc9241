package frame_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"kafkaio/frame"
)

// naive reads frames as a blocking client would. The last error is io.EOF for a clean end, io.ErrUnexpectedEOF for a cut, and a
// *frame.SizeError, filled in here, for a size out of range.
func naive(stream []byte, limit int) (frames [][]byte, err error) {
	r := bytes.NewReader(stream)
	for {
		var p [4]byte
		if _, err := io.ReadFull(r, p[:]); err != nil {
			return frames, err
		}
		size := int32(binary.BigEndian.Uint32(p[:]))
		if size < 0 || int(size) > limit {
			return frames, &frame.SizeError{Size: size, Limit: limit, Foreign: frame.Recognise(p[:])}
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(r, payload); err != nil {
			return frames, io.ErrUnexpectedEOF
		}
		frames = append(frames, payload)
	}
}

// FuzzAssembler compares the assembler with naive, whatever the chunks. Each byte of cuts is one step: the low seven bits choose the
// length of the chunk, the high bit says that it goes through Room. They are used over and over until the stream ends.
func FuzzAssembler(f *testing.F) {
	f.Add(wire([]byte("abc"), nil, noise(1, 300)), []byte{1}, uint16(1000))
	f.Add(wire([]byte("abc"), nil, noise(1, 9000)), []byte{0x85, 3, 0xff, 0x7f}, uint16(10_000))
	f.Add(wire(noise(1, 9000)), []byte{0xff, 0x81}, uint16(9000))
	f.Add(wire(noise(1, 9001)), []byte{5}, uint16(9000))
	f.Add(append(wire(nil, []byte("x")), prefix(-1)...), []byte{2, 0x82}, uint16(10))
	f.Add([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"), []byte{3}, uint16(100))
	f.Add([]byte{0x16, 3, 1, 2, 0}, []byte{1, 0x80}, uint16(0xffff))
	f.Add(append(prefix(60_000), noise(2, 200)...), []byte{0xc0, 0x10}, uint16(60_000))
	f.Fuzz(func(t *testing.T, stream, cuts []byte, limit uint16) {
		if limit == 0 || len(cuts) == 0 {
			return // 0 stands for the default limit, for which naive would allocate 100 MiB
		}
		want, wantErr := naive(stream, int(limit))

		var a frame.Assembler
		a.SetMaxBytes(int(limit))
		var got [][]byte
		var gotErr error
		for at, step := 0, 0; at < len(stream) && gotErr == nil; step++ {
			cut := cuts[step%len(cuts)]
			n := min(1<<(cut&0x0f)+int(cut>>4&7), len(stream)-at)
			feed := take
			if cut >= 0x80 {
				feed = takeRoom
			}
			var frames [][]byte
			frames, gotErr = feed(t, &a, stream[at:at+n])
			got, at = append(got, frames...), at+n

			have, promised := a.Progress()
			if held := a.Held(); held > earned(have, promised) {
				t.Fatalf("Held %d after %d of %d bytes, want at most %d", held, have, promised, earned(have, promised))
			}
			if have+a.Missing() != promised || (a.Missing() > 0 && !a.MidFrame()) {
				t.Fatalf("%d bytes collected, %d missing, %d promised, MidFrame %t", have, a.Missing(), promised, a.MidFrame())
			}
		}
		wantFrames(t, got, want)

		var wantSize, gotSize *frame.SizeError
		if errors.As(wantErr, &wantSize) {
			if !errors.As(gotErr, &gotSize) || *gotSize != *wantSize {
				t.Fatalf("got error %v, want %v", gotErr, wantErr)
			}
			return
		}
		if gotErr != nil {
			t.Fatalf("got error %v, want %v", gotErr, wantErr)
		}
		if got, want := a.MidFrame(), errors.Is(wantErr, io.ErrUnexpectedEOF); got != want {
			t.Fatalf("MidFrame %t at the end, want %t", got, want)
		}
	})
}

// checkHeaderError says what every refusal has to look like.
func checkHeaderError(t *testing.T, err error, length int) {
	t.Helper()
	var herr *frame.HeaderError
	if !errors.As(err, &herr) {
		t.Fatalf("error %v is no *HeaderError", err)
	}
	if herr.Field == "" || herr.Offset < 0 || herr.Offset > length || herr.Err == nil {
		t.Fatalf("error %+v for %d bytes", herr, length)
	}
}

// FuzzRequestHeader reads arbitrary bytes as a header, writes what was read, and reads that again.
func FuzzRequestHeader(f *testing.F) {
	for _, g := range requestGolden {
		f.Add(append(unhex(f, g.hex), "body"...), byte(g.headerVersion))
	}
	f.Add(unhex(f, "0012 0003 00000007 0001 78 02 00 01 ff 01 00 aa"), byte(2))
	f.Add(unhex(f, "0012 0003 00000007 fffe 00"), byte(2))
	f.Add(unhex(f, "0012 0003 00000007 ffff ffffffff0f"), byte(2))
	f.Fuzz(func(t *testing.T, b []byte, v byte) {
		headerVersion := int(v % 3)
		h, body, err := frame.ParseRequestHeader(b, headerVersion)
		if err != nil {
			checkHeaderError(t, err, len(b))
			return
		}
		if !bytes.HasSuffix(b, body) {
			t.Fatal("the body is not the end of the input")
		}
		again := append(frame.AppendRequestHeader(nil, headerVersion, h), body...)
		if headerVersion < 2 && !bytes.Equal(again, b) {
			t.Fatalf("read %x, wrote %x", b, again)
		}
		h2, body2, err := frame.ParseRequestHeader(again, headerVersion)
		if err != nil || !sameHeader(h, h2) || !bytes.Equal(body, body2) {
			t.Fatalf("read %+v, then %+v and %v", h, h2, err)
		}
	})
}

// FuzzResponseHeader checks that both header versions agree on the correlation id and that the body is what the tags leave.
func FuzzResponseHeader(f *testing.F) {
	f.Add(unhex(f, "00000007 00 aabb"))
	f.Add(unhex(f, "00000007 01 00 02 cccc aa"))
	f.Add(unhex(f, "ffffffff ffffffff0f"))
	f.Add(unhex(f, "000000"))
	f.Fuzz(func(t *testing.T, b []byte) {
		peeked, ok := frame.PeekCorrelationID(b)
		id0, body0, err0 := frame.ParseResponseHeader(b, 0)
		id1, body1, err1 := frame.ParseResponseHeader(b, 1)
		if ok != (err0 == nil) || peeked != id0 {
			t.Fatalf("peeked %d, %t, parsed %d, %v", peeked, ok, id0, err0)
		}
		if err0 != nil {
			checkHeaderError(t, err0, len(b))
			checkHeaderError(t, err1, len(b))
			return
		}
		rest, err := frame.SkipTags(body0)
		if (err == nil) != (err1 == nil) || !bytes.Equal(rest, body1) {
			t.Fatalf("SkipTags leaves %x, %v; the header %x, %v", rest, err, body1, err1)
		}
		if err1 != nil {
			checkHeaderError(t, err1, len(b))
			return
		}
		if id1 != id0 {
			t.Fatalf("correlation id %d in version 0, %d in version 1", id0, id1)
		}
	})
}

// FuzzSkipTags compares with a reader that has no bound but knows that its input is short.
func FuzzSkipTags(f *testing.F) {
	f.Add(unhex(f, "00"))
	f.Add(unhex(f, "02 00 01 ff 01 02 eeee aa"))
	f.Add(unhex(f, "ffffffff0f"))
	f.Add(unhex(f, "01 00 ffffffff0f"))
	f.Add(unhex(f, "8108"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := frame.SkipTags(b)
		want, ok := naiveSkip(b)
		if ok != (err == nil) || !bytes.Equal(got, want) {
			t.Fatalf("%x: got %x, %v, want %x, %t", b, got, err, want, ok)
		}
		if err != nil {
			checkHeaderError(t, err, len(b))
		}
	})
}

func naiveSkip(b []byte) (rest []byte, ok bool) {
	r := bytes.NewReader(b)
	number := func() (uint64, bool) {
		before := r.Len()
		v, err := binary.ReadUvarint(r)
		return v, err == nil && v <= 0xffffffff && before-r.Len() <= 5
	}
	count, ok := number()
	if !ok || count > frame.MaxTags {
		return nil, false
	}
	for range count {
		if _, ok = number(); !ok {
			return nil, false
		}
		n, ok := number()
		if !ok || n > uint64(r.Len()) {
			return nil, false
		}
		if _, err := r.Seek(int64(n), io.SeekCurrent); err != nil {
			return nil, false
		}
	}
	return b[len(b)-r.Len():], true
}
