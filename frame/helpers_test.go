package frame_test

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"kafkaio/frame"
)

// unhex decodes hexadecimal digits; blanks between them are for the reader.
func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatalf("bad hex in a test: %v", err)
	}
	return b
}

// wire puts the size in front of each payload and strings them together. It does not use the package under test.
func wire(payloads ...[]byte) []byte {
	var b []byte
	for _, p := range payloads {
		b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return b
}

func prefix(size int32) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(size))
}

// noise returns n bytes that no other seed yields.
func noise(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// mixture has the sizes at which something changes: nothing, less than a prefix, around the 4 KiB of a first buffer, and more than
// the first bytes of it may claim.
func mixture() [][]byte {
	var out [][]byte
	for i, n := range []int{0, 1, 3, 4, 5, 0, 0, 300, 4095, 4096, 4097, 70_000, 0, 2} {
		out = append(out, noise(uint64(i), n))
	}
	return out
}

// take feeds one chunk to a, overwrites the chunk (as the next read would), and returns copies of the frames that came out of it.
func take(t testing.TB, a *frame.Assembler, chunk []byte) ([][]byte, error) {
	t.Helper()
	chunk = bytes.Clone(chunk)
	var out [][]byte
	var owned [][]byte
	for rest := chunk; ; {
		f, more, ok, err := a.Next(rest)
		if err != nil {
			return out, err
		}
		if !ok {
			if len(more) != 0 {
				t.Fatalf("Next left %d bytes behind although it asked for more", len(more))
			}
			break
		}
		if f.Payload == nil {
			t.Fatal("Next returned a nil payload")
		}
		if cap(f.Payload) != len(f.Payload) {
			t.Fatalf("capacity of a payload is %d, want its length %d", cap(f.Payload), len(f.Payload))
		}
		out = append(out, bytes.Clone(f.Payload))
		if f.Owned {
			owned = append(owned, f.Payload)
		} else {
			owned = append(owned, nil)
		}
		if rest = more; len(rest) == 0 {
			break
		}
	}
	clear(chunk)
	for i, o := range owned {
		if o != nil && !bytes.Equal(o, out[i]) {
			t.Fatal("a payload that is Owned changed with the bytes given to Next")
		}
	}
	return out, nil
}

// takeRoom feeds a chunk through Room and Filled as long as Room gives memory, and through Next otherwise.
func takeRoom(t testing.TB, a *frame.Assembler, chunk []byte) ([][]byte, error) {
	t.Helper()
	var out [][]byte
	for len(chunk) > 0 {
		missing := a.Missing()
		room := a.Room()
		if (room != nil) != (missing > 0) || len(room) > missing {
			t.Fatalf("Room has %d bytes (nil: %t) while %d are missing", len(room), room == nil, missing)
		}
		if room == nil {
			// Only as much as a prefix may need, so that the payload goes through Room.
			n := min(len(chunk), frame.SizeBytes)
			got, err := take(t, a, chunk[:n])
			out = append(out, got...)
			if err != nil {
				return out, err
			}
			chunk = chunk[n:]
			continue
		}
		n := copy(room, chunk)
		chunk = chunk[n:]
		f, ok := a.Filled(n)
		if ok {
			if !f.Owned || cap(f.Payload) != len(f.Payload) {
				t.Fatalf("Filled returned Owned %t, length %d, capacity %d", f.Owned, len(f.Payload), cap(f.Payload))
			}
			out = append(out, f.Payload)
		}
	}
	return out, nil
}

func wantFrames(t testing.TB, got, want [][]byte) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %d frames, want %d", len(got), len(want))
	}
	for i := range want {
		if !bytes.Equal(got[i], want[i]) {
			t.Fatalf("frame %d: got %d bytes %.32x, want %d bytes %.32x", i, len(got[i]), got[i], len(want[i]), want[i])
		}
	}
}

// wantPanic is deferred: it wants a panic of the package's own, which begins with text, not one of the runtime's.
func wantPanic(t testing.TB, text string) {
	t.Helper()
	v := recover()
	if s, ok := v.(string); !ok || !strings.HasPrefix(s, text) {
		t.Errorf("got panic %v, want one that begins with %q", v, text)
	}
}

// earned is the most that may be held for a frame of which so many payload bytes arrived.
func earned(arrived, size int) int {
	return min(size, max(4<<10, 64*(arrived+frame.SizeBytes)))
}
