package frame_test

import (
	"bytes"
	"runtime"
	"testing"

	"kafkaio/frame"
)

// allocated returns the bytes that f allocated, on a best effort: other goroutines count too.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestAPromiseCostsNothingUntilBytesCome(t *testing.T) {
	const size = 99 << 20
	var a frame.Assembler
	steps := []struct {
		name string
		do   func() error
		held int
	}{
		{"prefix", func() error { _, _, _, err := a.Next(prefix(size)); return err }, 0},
		{"nothing", func() error { _, _, _, err := a.Next(nil); return err }, 0},
		{"one byte", func() error { _, _, _, err := a.Next([]byte{1}); return err }, 4 << 10},
		{"asking for room", func() error { a.Room(); return nil }, 4 << 10},
		{"4095 bytes more", func() error { _, _, _, err := a.Next(make([]byte, 4095)); return err }, 4 << 10},
		{"room again, now full", func() error { a.Room(); return nil }, 64 * (4096 + 4)},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if got := a.Held(); got != s.held {
			t.Errorf("after %s: Held %d, want %d", s.name, got, s.held)
		}
	}
}

func TestAPromiseAloneAllocatesLittle(t *testing.T) {
	const connections = 200
	assemblers := make([]frame.Assembler, connections)
	p := append(prefix(99<<20), 0)
	got := allocated(func() {
		for i := range assemblers {
			if _, _, _, err := assemblers[i].Next(p); err != nil {
				t.Fatal(err)
			}
			assemblers[i].Room()
		}
	})
	if limit := uint64(connections * 8 << 10); got > limit {
		t.Errorf("%d connections that promise 99 MiB and send a byte allocated %d bytes, want at most %d", connections, got, limit)
	}
	runtime.KeepAlive(assemblers)
}

func TestASizeErrorAllocatesOnlyItself(t *testing.T) {
	got := allocated(func() {
		for range 100 {
			var a frame.Assembler
			if _, _, _, err := a.Next([]byte("SSH-2.0-OpenSSH_9.9\r\n")); err == nil {
				t.Fatal("no error for SSH")
			}
		}
	})
	if got > 100*256 {
		t.Errorf("100 size errors allocated %d bytes", got)
	}
}

func TestHeldFollowsTheBytesThatArrived(t *testing.T) {
	payload := noise(1, 1<<20)
	stream := wire(payload)
	for _, chunk := range []int{1, 100, 4 << 10, 60_000, 64 << 10} {
		for _, feed := range []func(testing.TB, *frame.Assembler, []byte) ([][]byte, error){take, takeRoom} {
			var a frame.Assembler
			for at := 0; at < len(stream); at += chunk {
				if _, err := feed(t, &a, stream[at:min(at+chunk, len(stream))]); err != nil {
					t.Fatal(err)
				}
				have, want := a.Progress()
				if got, most := a.Held(), earned(have, want); got > most {
					t.Fatalf("chunks of %d: Held %d after %d of %d bytes, want at most %d", chunk, got, have, want, most)
				}
			}
			if a.MidFrame() {
				t.Fatalf("chunks of %d: the frame did not end", chunk)
			}
		}
	}
}

func TestAMebibyteIn64KiBReadsIsAllocatedOnce(t *testing.T) {
	stream := wire(noise(1, 1<<20))
	var a frame.Assembler
	got := testing.AllocsPerRun(10, func() {
		for at := 0; at < len(stream); at += 64 << 10 {
			if _, _, _, err := a.Next(stream[at:min(at+64<<10, len(stream))]); err != nil {
				t.Fatal(err)
			}
			if held := a.Held(); held != 0 && held != 1<<20 {
				t.Fatalf("Held %d, want the whole frame at once", held)
			}
		}
	})
	if got != 1 {
		t.Errorf("%v allocations, want 1", got)
	}
}

func TestWholeFramesAllocateNothing(t *testing.T) {
	var payloads [][]byte
	for i := range 100 {
		payloads = append(payloads, noise(uint64(i), i))
	}
	stream := wire(payloads...)
	var a frame.Assembler
	got := testing.AllocsPerRun(100, func() {
		n := 0
		for rest := stream; len(rest) > 0; n++ {
			_, more, ok, err := a.Next(rest)
			if !ok || err != nil {
				t.Fatal("a whole frame was not found")
			}
			rest = more
		}
		if n != len(payloads) {
			t.Fatalf("%d frames, want %d", n, len(payloads))
		}
	})
	if got != 0 {
		t.Errorf("%v allocations for whole frames, want none", got)
	}
}

// generous is a Memory that gives twice what it is asked for and remembers what is out.
type generous struct {
	out  int
	gets int
}

func (g *generous) Get(_, n int) []byte {
	g.out++
	g.gets++
	return make([]byte, 0, 2*n)
}

func (g *generous) Put(b []byte) {
	if cap(b) == 0 {
		panic("a buffer that was never given")
	}
	g.out--
}

func TestMemoryGivesTheBuffersAndGetsBackWhatWasOutgrown(t *testing.T) {
	payloads := [][]byte{noise(7, 3<<20), noise(8, 100_000)}
	for _, direct := range []bool{false, true} {
		var a frame.Assembler
		var g generous
		a.SetMemory(&g)
		var got [][]byte
		stream := wire(payloads...)
		for len(stream) > 0 {
			var f frame.Frame
			var ok bool
			chunk := stream[:min(10_000, len(stream))]
			if room := a.Room(); direct && room != nil {
				n := copy(room, chunk)
				f, ok = a.Filled(n)
				stream = stream[n:]
			} else {
				var rest []byte
				var err error
				if f, rest, ok, err = a.Next(chunk); err != nil {
					t.Fatal(err)
				}
				stream = stream[len(chunk)-len(rest):]
			}
			if ok {
				got = append(got, f.Payload)
			}
		}
		if len(got) != 2 || !bytes.Equal(got[0], payloads[0]) || !bytes.Equal(got[1], payloads[1]) {
			t.Fatalf("%d frames came, want the two that were sent", len(got))
		}
		if g.out != 2 || g.gets <= 2 {
			t.Errorf("%d buffers are out after %d, want the two frames', after more", g.out, g.gets)
		}
	}
}

// spare is a Memory that gives what it has to until it is told otherwise.
type spare struct{ open bool }

func (s *spare) Get(least, n int) []byte {
	switch {
	case s.open:
		return make([]byte, 0, n)
	case least == 0:
		return nil
	default:
		return make([]byte, 0, least)
	}
}

func (*spare) Put([]byte) {}

func TestAMemoryMayGiveNoMoreThanWhatHasArrived(t *testing.T) {
	payload := noise(9, 100_000)
	stream := wire(payload)
	var a frame.Assembler
	var m spare
	a.SetMemory(&m)
	if _, _, _, err := a.Next(stream[:frame.SizeBytes]); err != nil {
		t.Fatal(err)
	}
	if room := a.Room(); room != nil {
		t.Errorf("Room gives %d bytes that the memory does not have", len(room))
	}
	stream = stream[frame.SizeBytes:]
	for _, n := range []int{1, 1000, 30_000} {
		if _, _, ok, err := a.Next(stream[:n]); ok || err != nil {
			t.Fatalf("after %d bytes: ok %v, error %v", n, ok, err)
		}
		stream = stream[n:]
		if room := a.Room(); room != nil {
			t.Errorf("Room gives %d bytes that the memory does not have", len(room))
		}
		if have, _ := a.Progress(); a.Held() != have {
			t.Errorf("%d bytes are held for the %d that have arrived", a.Held(), have)
		}
	}
	m.open = true
	for {
		room := a.Room()
		n := copy(room, stream)
		stream = stream[n:]
		if f, ok := a.Filled(n); ok {
			if !bytes.Equal(f.Payload, payload) || len(stream) != 0 {
				t.Error("the frame came changed")
			}
			return
		}
	}
}
