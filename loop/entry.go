package loop

import (
	"sync"

	"kafkaio/frame"
)

// entryState tells where a request stands. Transitions happen under Conn.mu:
//
//	waiting ──> inFlight ──> answered          (tombstones are entries of their own)
//	   └────────────┴──────────┘
type entryState uint8

const (
	entryWaiting   entryState = iota + 1 // in Conn.waiting: no room yet, no byte queued
	entryInFlight                        // in Conn.inFlight: queued or sent, the answer is due
	entryOneWay                          // in Conn.oneWay: queued, done as soon as it is written
	entryAnswered                        // in no list: who took it out has the sole right and the duty to end it
	entryTombstone                       // in Conn.inFlight: abandoned, its late answer will be dropped
)

// entry is one accepted request. It is pooled; who removes it from its list, under Conn.mu, ends it: exactly once.
type entry struct {
	prev, next *entry

	state    entryState
	borrowed bool // guarded by Conn.mu: the pending queue or a writer still refers to request
	awaited  bool // guarded by Conn.mu: the caller waits on released
	unsent   bool // set with err
	lend     bool // the caller waits for the end, so its bytes may be written without a copy
	raw      bool // request and answer have no header: see AheadRaw
	oneWay   bool // while waiting: goes to oneWay, not to inFlight
	charged  bool // while waiting: counted in the engine's budget already
	lined    bool // it has waited for room: begun says nothing of the peer

	id       frame.CorrelationID // on the wire
	callerID frame.CorrelationID // in the caller's header, given back in the answer
	begun    int64               // by Submit only now and then, with WakeDelay: the clock costs time
	deadline int64
	start    uint64 // offsets of the frame in the stream of all bytes ever queued on the connection
	end      uint64

	request  []byte              // while waiting, and while borrowed
	done     func([]byte, error) // nil where a goroutine waits on ready
	response []byte
	err      error
	timing   *timing // nil: nobody is told of it

	ready    chan struct{} // capacity 1: the entry has ended
	released chan struct{} // capacity 1, made when first needed: the writer has let go of request
}

var entryPool = sync.Pool{New: func() any {
	return &entry{ready: make(chan struct{}, 1)}
}}

// entriesOut counts entries taken and not given back, for the leak checks of tests; see gauge.
var entriesOut gauge

func newEntry() *entry {
	entriesOut.add(1)
	return entryPool.Get().(*entry)
}

// free gives the entry back. Only who ended it, or the one it was ended for, may call it.
func (e *entry) free() {
	entriesOut.add(-1)
	if e.timing != nil {
		e.timing.free()
	}
	*e = entry{ready: e.ready, released: e.released}
	entryPool.Put(e)
}

// entryList is a doubly linked list through the entries themselves: it costs an idle connection nothing, and any entry leaves it in O(1).
type entryList struct {
	head, tail *entry
	n          int
}

func (l *entryList) pushBack(e *entry) {
	e.prev, e.next = l.tail, nil
	if l.tail == nil {
		l.head = e
	} else {
		l.tail.next = e
	}
	l.tail = e
	l.n++
}

func (l *entryList) remove(e *entry) {
	if e.prev == nil {
		l.head = e.next
	} else {
		e.prev.next = e.next
	}
	if e.next == nil {
		l.tail = e.prev
	} else {
		e.next.prev = e.prev
	}
	e.prev, e.next = nil, nil
	l.n--
}

// replace puts t where e stood.
func (l *entryList) replace(e, t *entry) {
	t.prev, t.next = e.prev, e.next
	if t.prev == nil {
		l.head = t
	} else {
		t.prev.next = t
	}
	if t.next == nil {
		l.tail = t
	} else {
		t.next.prev = t
	}
	e.prev, e.next = nil, nil
}
