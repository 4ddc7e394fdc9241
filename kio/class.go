package kio

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Class keeps requests of different patience apart. A broker answers the requests of a connection one after the other, so that one that waits for
// records, for members of a group or for replicas holds back all behind it: a Cluster gives each class connections of its own.
type Class uint8

// The classes.
const (
	ClassShort   Class = iota // answered at once: metadata, offsets, heartbeats, and all that is not named below
	ClassProduce              // Produce, which may wait for replicas
	ClassFetch                // Fetch and ShareFetch, which wait for records
	ClassGroup                // JoinGroup and SyncGroup, which wait for other members
	ClassSlow                 // requests that say for how long the broker may work on them, such as CreateTopics
	numClasses
)

// String is the name of the class in statistics.
func (c Class) String() string {
	switch c {
	case ClassShort:
		return "short"
	case ClassProduce:
		return "produce"
	case ClassFetch:
		return "fetch"
	case ClassGroup:
		return "group"
	case ClassSlow:
		return "slow"
	default:
		return fmt.Sprintf("Class(%d)", uint8(c))
	}
}

// ClassOf is the class in which a Cluster sends a request.
func ClassOf(r kmsg.Request) Class {
	switch kmsg.Key(r.Key()) {
	case kmsg.Produce:
		return ClassProduce
	case kmsg.Fetch, kmsg.ShareFetch:
		return ClassFetch
	case kmsg.JoinGroup, kmsg.SyncGroup:
		return ClassGroup
	case kmsg.ListOffsets: // its timeout is for remote storage only
		return ClassShort
	default:
		if _, ok := r.(kmsg.TimeoutRequest); ok {
			return ClassSlow
		}
		return ClassShort
	}
}

// busyAt is how many requests a connection of the class is for: with more, another one is opened, if Config.Cluster allows that. One that may wait wants its own, short
// ones share (guessed: a broker answers some thousands a second on one connection).
func (c Class) busyAt() int {
	if c == ClassShort {
		return 32
	}
	return 1
}

// polls reports whether the broker may keep requests of the class waiting for seconds because nothing is there yet: a request behind one stands still for as long. Produce and
// what is slow are worked on at once, and gain more from standing in line.
func (c Class) polls() bool { return c == ClassFetch || c == ClassGroup }
