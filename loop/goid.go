package loop

import (
	"bytes"
	"runtime"
	"strconv"
	"sync"
)

// goroutineID reads the calling goroutine's number off the first line of its stack dump ("goroutine 18 [running]:"), as golang.org/x/net/http2
// does to check its own rules. It costs about a microsecond and serves only to keep Close, Shutdown and Stop from waiting for the very loop
// that they are called on.
func goroutineID() uint64 {
	var buf [64]byte
	b := bytes.TrimPrefix(buf[:runtime.Stack(buf[:], false)], []byte("goroutine "))
	if i := bytes.IndexByte(b, ' '); i >= 0 {
		b = b[:i]
	}
	id, _ := strconv.ParseUint(string(b), 10, 64)
	return id
}

// loopSet remembers which goroutines are a driver's loops.
type loopSet struct{ ids sync.Map }

func (s *loopSet) addCaller()           { s.ids.Store(goroutineID(), struct{}{}) }
func (s *loopSet) removeCaller()        { s.ids.Delete(goroutineID()) }
func (s *loopSet) containsCaller() bool { _, ok := s.ids.Load(goroutineID()); return ok }
