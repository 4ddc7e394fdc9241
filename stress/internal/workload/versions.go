package workload

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Range is the span of versions of one API that a broker supports.
type Range struct{ Min, Max int16 }

// Versions is what a broker supports, by API key.
type Versions map[kmsg.Key]Range

// VersionError says that a broker and this program have no version of a request in common.
type VersionError struct {
	Key    kmsg.Key
	Broker Range
	Known  bool // the broker supports some version
	Ours   int16
}

// Error implements error.
func (e *VersionError) Error() string {
	if !e.Known {
		return fmt.Sprintf("the broker does not support %s", e.Key.Name())
	}
	return fmt.Sprintf("the broker supports %s in versions %d to %d, and this program in 0 to %d", e.Key.Name(), e.Broker.Min, e.Broker.Max, e.Ours)
}

// Choose is the newest version of an API that the broker and kmsg have in common. The error is a [*VersionError].
func (v Versions) Choose(key kmsg.Key) (int16, error) {
	return v.chooseUpTo(key, key.Request().MaxVersion())
}

func (v Versions) chooseUpTo(key kmsg.Key, ours int16) (int16, error) {
	r, known := v[key]
	if version := min(r.Max, ours); known && version >= r.Min {
		return version, nil
	}
	return 0, &VersionError{Key: key, Broker: r, Known: known, Ours: ours}
}
