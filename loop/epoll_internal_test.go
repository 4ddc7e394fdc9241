//go:build linux

package loop

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func startTestEpoll(t *testing.T) *epollDriver {
	t.Helper()
	d, err := startEpoll(1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.stop)
	return d.(*epollDriver)
}

// untilAsleep waits for the loop to sleep.
func untilAsleep(t *testing.T, l *epollLoop) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !l.sleeping.Load(); {
		if time.Now().After(deadline) {
			t.Fatal("the loop does not go to sleep")
		}
		<-time.After(100 * time.Microsecond)
	}
}

func TestABurstOfPostsWakesASleepingLoopOnce(t *testing.T) {
	l := startTestEpoll(t).loops[0]
	untilAsleep(t, l)
	before := l.wakes.Load()
	hold, began := make(chan struct{}), make(chan struct{})
	var ran sync.WaitGroup
	ran.Add(1001)
	l.post(func() { close(began); <-hold; ran.Done() })
	<-began
	for range 1000 { // the loop is awake: no system call at all
		l.post(ran.Done)
	}
	close(hold)
	ran.Wait()
	if got := l.wakes.Load() - before; got != 1 {
		t.Errorf("1001 posts woke the loop %d times, want once", got)
	}
}

func TestPostedFunctionsRunInOrder(t *testing.T) {
	l := startTestEpoll(t).loops[0]
	var got []int
	done := make(chan struct{})
	for i := range 5 * turnTasks {
		l.post(func() { got = append(got, i) })
	}
	l.post(func() { close(done) })
	<-done
	for i, v := range got {
		if v != i {
			t.Fatalf("function %d ran at place %d", v, i)
		}
	}
}

// countingSink counts reads.
type countingSink struct {
	reads  atomic.Int64
	reg    registration
	closed chan struct{}
}

func (s *countingSink) onOpen(r registration, _ int) { s.reg = r }
func (s *countingSink) onData([]byte) bool           { s.reads.Add(1); return true }
func (s *countingSink) direct() []byte               { return nil }
func (s *countingSink) filled(int) bool              { return true }
func (s *countingSink) onMoved(int)                  {}
func (s *countingSink) onClose(error)                { close(s.closed) }

func TestPostsAndReadsCannotStarveEachOther(t *testing.T) {
	d := startTestEpoll(t)
	l := d.loops[0]
	s := &countingSink{closed: make(chan struct{})}
	addr, stop := floodingListener(t)
	defer stop()
	o, err := d.connect(t.Context(), target{addr: addr}, &SocketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.register(o, s); err != nil {
		t.Fatal(err)
	}
	// Each function posts itself again: the queue is never empty, and the socket always has bytes.
	var posts atomic.Int64
	var over atomic.Bool
	var again func()
	again = func() {
		posts.Add(1)
		if !over.Load() {
			l.post(again)
		}
	}
	for range 2 * turnTasks {
		l.post(again)
	}
	deadline := time.Now().Add(10 * time.Second)
	for (posts.Load() < 20_000 || s.reads.Load() < 200) && time.Now().Before(deadline) {
		<-time.After(time.Millisecond)
	}
	over.Store(true)
	if posts.Load() < 20_000 || s.reads.Load() < 200 {
		t.Errorf("%d posts and %d reads within 10 s, want both to go on", posts.Load(), s.reads.Load())
	}
	s.reg.close()
	<-s.closed
}

func TestASlotsNextOwnerGetsNoEventOfItsLast(t *testing.T) {
	var table slotTable
	first, second := new(epollConn), new(epollConn)
	mustAdd := func(c *epollConn) {
		if err := table.add(c); err != nil {
			t.Fatal(err)
		}
	}
	mustAdd(first)
	if table.get(first.token) != first {
		t.Fatal("not found")
	}
	table.remove(first.token)
	if table.get(first.token) != nil {
		t.Error("found after it was removed")
	}
	mustAdd(second)
	if uint32(second.token) != uint32(first.token) || second.token == first.token {
		t.Errorf("tokens %x and %x, want the same slot in another generation", first.token, second.token)
	}
	if table.get(first.token) != nil || table.get(second.token) != second {
		t.Error("the token of a slot's last owner finds its next one")
	}
	if table.get(noToken) != nil {
		t.Error("the token of no slot finds a connection")
	}
	many := make([]*epollConn, 3*chunkSlots)
	for i := range many {
		many[i] = new(epollConn)
		mustAdd(many[i])
	}
	seen := 0
	table.each(func(*epollConn) { seen++ })
	if seen != len(many)+1 {
		t.Errorf("each visits %d connections, want %d", seen, len(many)+1)
	}
}
