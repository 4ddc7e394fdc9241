package workload

import (
	"fmt"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// API is one kind of request that a load may contain.
type API int

// The kinds. NumAPIs is how many there are.
const (
	ApiVersions API = iota
	Metadata
	Produce
	Fetch
	NumAPIs
)

// String is the name in a mix.
func (a API) String() string {
	switch a {
	case ApiVersions:
		return "apiversions"
	case Metadata:
		return "metadata"
	case Produce:
		return "produce"
	case Fetch:
		return "fetch"
	default:
		return fmt.Sprintf("API(%d)", int(a))
	}
}

// Key is the protocol's number.
func (a API) Key() kmsg.Key {
	switch a {
	case ApiVersions:
		return kmsg.ApiVersions
	case Metadata:
		return kmsg.Metadata
	case Produce:
		return kmsg.Produce
	case Fetch:
		return kmsg.Fetch
	default:
		panic("workload: key of an unknown API")
	}
}

// NeedsPartition reports whether such a request goes to the leader of a partition.
func (a API) NeedsPartition() bool { return a == Produce || a == Fetch }

// apiOf finds an API by its name.
func apiOf(name string) (API, bool) {
	for a := range NumAPIs {
		if a.String() == name {
			return a, true
		}
	}
	return 0, false
}
