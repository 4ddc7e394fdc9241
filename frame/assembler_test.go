package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"kafkaio/frame"
)

func TestNextReadsGoldenBytes(t *testing.T) {
	// An ApiVersions v0 answer (correlation id 7, no error, one key: 18, versions 0 to 4), an empty frame, a single byte.
	stream := unhex(t, "00000010 00000007 0000 00000001 0012 0000 0004  00000000  00000001 ff")
	var a frame.Assembler
	got, err := take(t, &a, stream)
	if err != nil {
		t.Fatal(err)
	}
	wantFrames(t, got, [][]byte{unhex(t, "00000007 0000 00000001 0012 0000 0004"), {}, {0xff}})
	if a.MidFrame() {
		t.Error("MidFrame after whole frames, want false")
	}
}

func TestFramesDoNotDependOnHowTheStreamIsCut(t *testing.T) {
	payloads := mixture()
	stream := wire(payloads...)
	feeds := []struct {
		name string
		take func(testing.TB, *frame.Assembler, []byte) ([][]byte, error)
	}{
		{"next", take},
		{"room", takeRoom},
	}
	random := func(seed uint64) func() int {
		r := rand.New(rand.NewPCG(seed, 2))
		return func() int { return 1 + r.IntN(1<<r.IntN(16)) }
	}
	cuts := map[string]func() int{
		"byte by byte": func() int { return 1 },
		"by 7":         func() int { return 7 },
		"by 64 KiB":    func() int { return 64 << 10 },
		"whole":        func() int { return len(stream) },
	}
	for seed := range uint64(50) {
		cuts[fmt.Sprintf("random %d", seed)] = random(seed)
	}
	for _, feed := range feeds {
		for name, cut := range cuts {
			t.Run(feed.name+"/"+name, func(t *testing.T) {
				var a frame.Assembler
				var got [][]byte
				for rest := stream; len(rest) > 0; {
					n := min(cut(), len(rest))
					frames, err := feed.take(t, &a, rest[:n])
					if err != nil {
						t.Fatal(err)
					}
					got, rest = append(got, frames...), rest[n:]
				}
				wantFrames(t, got, payloads)
				if a.MidFrame() || a.Held() != 0 {
					t.Errorf("after the stream: MidFrame %t, Held %d, want false and 0", a.MidFrame(), a.Held())
				}
			})
		}
	}
}

func TestNextAndRoomMayAlternate(t *testing.T) {
	payloads := mixture()
	stream := wire(payloads...)
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 3))
		var a frame.Assembler
		var got [][]byte
		for rest := stream; len(rest) > 0; {
			n := min(1+r.IntN(1<<r.IntN(14)), len(rest))
			feed := take
			if r.IntN(2) == 0 {
				feed = takeRoom
			}
			frames, err := feed(t, &a, rest[:n])
			if err != nil {
				t.Fatal(err)
			}
			got, rest = append(got, frames...), rest[n:]
		}
		wantFrames(t, got, payloads)
	}
}

func TestEveryTruncationIsReportedAsACut(t *testing.T) {
	payload := noise(1, 20)
	stream := wire(payload)
	for n := range stream {
		var a frame.Assembler
		got, err := take(t, &a, stream[:n])
		if err != nil || len(got) != 0 {
			t.Fatalf("%d of %d bytes: %d frames, error %v, want none", n, len(stream), len(got), err)
		}
		if got, want := a.MidFrame(), n > 0; got != want {
			t.Errorf("%d bytes: MidFrame %t, want %t", n, got, want)
		}
		wantHave, wantWant, wantMissing := 0, 0, 0
		if n >= frame.SizeBytes {
			wantHave, wantWant, wantMissing = n-frame.SizeBytes, len(payload), len(stream)-n
		}
		if have, want := a.Progress(); have != wantHave || want != wantWant {
			t.Errorf("%d bytes: Progress %d, %d, want %d, %d", n, have, want, wantHave, wantWant)
		}
		if got := a.Missing(); got != wantMissing {
			t.Errorf("%d bytes: Missing %d, want %d", n, got, wantMissing)
		}
		got, err = take(t, &a, stream[n:])
		if err != nil {
			t.Fatal(err)
		}
		wantFrames(t, got, [][]byte{payload})
	}
}

func TestSizesAtTheLimits(t *testing.T) {
	const huge = math.MaxInt32
	tests := []struct {
		max  int // given to SetMaxBytes
		size int32
		want int // the limit in the error; -1: the size is accepted
	}{
		{100, -1, 100},
		{100, math.MinInt32, 100},
		{100, 0, -1},
		{100, 1, -1},
		{100, 99, -1},
		{100, 100, -1},
		{100, 101, 100},
		{100, huge, 100},
		{1, 1, -1},
		{1, 2, 1},
		{0, frame.DefaultMaxBytes, -1},
		{0, frame.DefaultMaxBytes + 1, frame.DefaultMaxBytes},
		{-5, frame.DefaultMaxBytes, -1},
		{-5, frame.DefaultMaxBytes + 1, frame.DefaultMaxBytes},
		{huge, huge, -1},
		{huge, -1, huge},
		{math.MaxInt, huge, -1},
		{math.MaxInt, -1, huge},
	}
	for _, tt := range tests {
		for cut := range frame.SizeBytes { // the prefix in one read (cut 0), and split at each byte
			t.Run(fmt.Sprintf("max %d size %d cut %d", tt.max, tt.size, cut), func(t *testing.T) {
				var a frame.Assembler
				a.SetMaxBytes(tt.max)
				p := prefix(tt.size)
				if _, err := take(t, &a, p[:cut]); err != nil {
					t.Fatalf("error after %d bytes of the prefix: %v", cut, err)
				}
				_, _, ok, err := a.Next(p[cut:])
				if tt.want == -1 {
					if err != nil || ok != (tt.size == 0) || a.Missing() != int(tt.size) {
						t.Fatalf("ok %t, error %v, Missing %d, want %t, nil, %d", ok, err, a.Missing(), tt.size == 0, tt.size)
					}
					return
				}
				var serr *frame.SizeError
				if !errors.As(err, &serr) || ok {
					t.Fatalf("ok %t, error %v, want false and a *SizeError", ok, err)
				}
				if serr.Size != tt.size || serr.Limit != tt.want {
					t.Errorf("error has size %d, limit %d, want %d, %d", serr.Size, serr.Limit, tt.size, tt.want)
				}
			})
		}
	}
}

func TestTheLimitIsTakenFromTheFrameThatFits(t *testing.T) {
	// The fast path must not let a frame pass that lies whole in the chunk but is over the limit.
	var a frame.Assembler
	a.SetMaxBytes(3)
	got, err := take(t, &a, wire([]byte("abc"), []byte("abcd"), []byte("e")))
	wantFrames(t, got, [][]byte{[]byte("abc")})
	var serr *frame.SizeError
	if !errors.As(err, &serr) || serr.Size != 4 || serr.Limit != 3 {
		t.Fatalf("got error %v, want a *SizeError with size 4, limit 3", err)
	}
}

func TestALimitSetMidFrameHoldsForTheNextPrefix(t *testing.T) {
	var a frame.Assembler
	stream := wire([]byte("abcdef"), []byte("ghijkl"))
	if _, err := take(t, &a, stream[:6]); err != nil {
		t.Fatal(err)
	}
	a.SetMaxBytes(5)
	got, err := take(t, &a, stream[6:])
	wantFrames(t, got, [][]byte{[]byte("abcdef")})
	if err == nil {
		t.Fatal("the second frame passed the new limit")
	}
}

func TestAfterAnErrorTheAssemblerStaysInIt(t *testing.T) {
	var a frame.Assembler
	_, _, _, first := a.Next([]byte("HTTP/1.1 400 Bad Request"))
	if first == nil {
		t.Fatal("no error for HTTP")
	}
	for _, b := range [][]byte{nil, {0}, wire([]byte("x")), make([]byte, 100)} {
		f, rest, ok, err := a.Next(b)
		if ok || f.Payload != nil || len(rest) != 0 || !errors.Is(err, first) {
			t.Errorf("Next after an error: ok %t, %d bytes left, error %v, want the first error again", ok, len(rest), err)
		}
	}
	if a.MidFrame() || a.Missing() != 0 || a.Held() != 0 || a.Room() != nil {
		t.Errorf("in error: MidFrame %t, Missing %d, Held %d, want nothing", a.MidFrame(), a.Missing(), a.Held())
	}
	a.Reset()
	got, err := take(t, &a, wire([]byte("x")))
	if err != nil {
		t.Fatalf("after Reset: %v", err)
	}
	wantFrames(t, got, [][]byte{[]byte("x")})
}

func TestResetDropsTheFrameAndKeepsTheLimit(t *testing.T) {
	for _, n := range []int{1, 4, 6} { // inside the prefix, after it, inside the payload
		var a frame.Assembler
		a.SetMaxBytes(10)
		if _, err := take(t, &a, wire([]byte("abcdef"))[:n]); err != nil {
			t.Fatal(err)
		}
		a.Reset()
		if have, want := a.Progress(); a.MidFrame() || a.Missing() != 0 || a.Held() != 0 || have != 0 || want != 0 {
			t.Errorf("Reset after %d bytes: MidFrame %t, Missing %d, Held %d, Progress %d, %d", n, a.MidFrame(), a.Missing(), a.Held(), have, want)
		}
		got, err := take(t, &a, wire([]byte("gh")))
		if err != nil {
			t.Fatal(err)
		}
		wantFrames(t, got, [][]byte{[]byte("gh")})
		if _, err := take(t, &a, prefix(11)); err == nil {
			t.Error("Reset dropped the limit")
		}
	}
}

func TestWholeFramesAreBorrowedAndClipped(t *testing.T) {
	stream := wire([]byte("abc"), []byte("def"))
	want := bytes.Clone(stream)
	var a frame.Assembler
	f, rest, ok, err := a.Next(stream)
	if err != nil || !ok || f.Owned {
		t.Fatalf("ok %t, Owned %t, error %v, want true, false, nil", ok, f.Owned, err)
	}
	if &f.Payload[0] != &stream[frame.SizeBytes] || &rest[0] != &stream[7] {
		t.Error("a whole frame was copied")
	}
	_ = append(f.Payload, "overwritten"...)
	if !bytes.Equal(stream, want) {
		t.Error("appending to a payload wrote into the bytes behind it")
	}
}

func TestAPayloadWholeInOneReadIsBorrowedThoughItsPrefixCameEarlier(t *testing.T) {
	for cut := 1; cut <= frame.SizeBytes; cut++ {
		stream := wire([]byte("abc"), []byte("d"))
		var a frame.Assembler
		if _, _, ok, err := a.Next(stream[:cut]); ok || err != nil {
			t.Fatalf("cut %d: ok %t, error %v", cut, ok, err)
		}
		f, rest, ok, err := a.Next(stream[cut:])
		if !ok || err != nil || f.Owned || &f.Payload[0] != &stream[frame.SizeBytes] || cap(f.Payload) != 3 {
			t.Fatalf("cut %d: ok %t, Owned %t, capacity %d, error %v, want a borrowed payload", cut, ok, f.Owned, cap(f.Payload), err)
		}
		if len(rest) != 5 {
			t.Errorf("cut %d: %d bytes left, want 5", cut, len(rest))
		}
	}
}

func TestRoomIsReadIntoInPlace(t *testing.T) {
	payload := noise(1, 1000)
	stream := wire(payload)
	var a frame.Assembler
	if got := a.Room(); got != nil {
		t.Errorf("Room between frames has %d bytes, want nil", len(got))
	}
	if _, _, _, err := a.Next(stream[:3]); err != nil || a.Room() != nil {
		t.Fatal("Room inside a prefix, want nil")
	}
	if _, _, _, err := a.Next(stream[3:104]); err != nil {
		t.Fatal(err)
	}
	room := a.Room()
	if len(room) != 900 {
		t.Fatalf("Room has %d bytes, want the 900 that are missing", len(room))
	}
	copy(room, stream[104:])
	if _, ok := a.Filled(0); ok {
		t.Fatal("Filled(0) completed a frame")
	}
	if _, ok := a.Filled(899); ok || a.Missing() != 1 {
		t.Fatalf("Filled(899): ok %t, Missing %d, want false, 1", ok, a.Missing())
	}
	f, ok := a.Filled(1)
	if !ok || !f.Owned || !bytes.Equal(f.Payload, payload) || &f.Payload[100] != &room[0] {
		t.Fatal("the frame is not the memory that Room gave")
	}
	if a.MidFrame() || a.Room() != nil || a.Held() != 0 {
		t.Error("the assembler holds on to a frame that it transferred")
	}
}

func TestRoomThatWasNotUsedDoesNotMatter(t *testing.T) {
	payload := noise(1, 5000)
	for _, cut := range []int{1, 4096, 5000} { // the last lies whole in one chunk and is borrowed
		var a frame.Assembler
		if _, _, _, err := a.Next(prefix(5000)); err != nil {
			t.Fatal(err)
		}
		if got := len(a.Room()); got != 4096 {
			t.Fatalf("Room has %d bytes before any payload, want 4096", got)
		}
		got, err := take(t, &a, payload[:cut])
		if err != nil {
			t.Fatal(err)
		}
		a.Room()
		more, err := take(t, &a, payload[cut:])
		if err != nil {
			t.Fatal(err)
		}
		wantFrames(t, append(got, more...), [][]byte{payload})
		if a.Held() != 0 {
			t.Errorf("cut %d: Held %d after the frame, want 0", cut, a.Held())
		}
	}
}

func TestFilledOutOfRangePanics(t *testing.T) {
	started := func() *frame.Assembler {
		var a frame.Assembler
		if _, _, _, err := a.Next(prefix(10)); err != nil {
			t.Fatal(err)
		}
		a.Room()
		return &a
	}
	for _, tt := range []struct {
		name string
		a    *frame.Assembler
		n    int
	}{
		{"negative", started(), -1},
		{"one too many", started(), 11},
		{"between frames", &frame.Assembler{}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			defer wantPanic(t, "frame: Filled(")
			tt.a.Filled(tt.n)
		})
	}
	if f, ok := started().Filled(10); !ok || len(f.Payload) != 10 {
		t.Error("Filled(10) of 10 did not complete the frame")
	}
}

func TestAssemblerIsSmall(t *testing.T) {
	if got := unsafe.Sizeof(frame.Assembler{}); got > 64 {
		t.Errorf("an Assembler has %d bytes, want at most 64: every connection has one", got)
	}
}
