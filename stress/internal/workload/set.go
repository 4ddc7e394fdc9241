package workload

import (
	"errors"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// MaxPartitions is how many of a broker's partitions a load uses. Guessed: enough that no partition is a bottleneck, and a bound for the
// memory that encoded requests take.
const MaxPartitions = 64

// Partition is one that the broker leads.
type Partition struct {
	ID     int32
	Offset int64 // where to fetch from
}

// Target is a broker as far as requests depend on it.
type Target struct {
	Versions   Versions
	Topic      string
	TopicID    [16]byte // zero where the brokers are too old to have one
	Partitions []Partition
}

// Options shape the requests.
type Options struct {
	Mix         Mix
	RecordBytes int           // the value of the one record in a Produce
	FetchBytes  int           // the bound that a Fetch asks for
	Timeout     time.Duration // after which a broker is to give up a Produce
	Seed        uint64        // of the record's value
	Now         time.Time     // the time of the record
}

// Set is the requests to one broker. Safe for concurrent use.
type Set struct {
	requests [NumAPIs][]*Request
	mix      Mix
	total    int
}

// ErrNothingToSend is returned by [Build] for a broker that leads no partition where the mix has only requests to leaders.
var ErrNothingToSend = errors.New("the broker leads no partition of the topic, and the workload has nothing else to send to it")

// Build encodes the requests for a broker. Where it leads no partition, those to leaders are left out: [Set.Mix] tells. Errors are
// [ErrNothingToSend] or a [*VersionError].
func Build(t Target, o Options) (*Set, error) {
	mix := o.Mix
	if len(t.Partitions) == 0 {
		mix = mix.WithoutPartitions()
	}
	if mix.total() == 0 {
		return nil, ErrNothingToSend
	}
	s := &Set{mix: mix, total: mix.total()}
	partitions := t.Partitions[:min(len(t.Partitions), MaxPartitions)]
	batch := RecordBatch(o.Now, payload(o.RecordBytes, o.Seed))
	for a := range NumAPIs {
		if mix[a] == 0 {
			continue
		}
		version, err := t.version(a)
		if err != nil {
			return nil, err
		}
		var kinds []kmsg.Request
		switch a {
		case ApiVersions:
			kinds = append(kinds, apiVersionsRequest())
		case Metadata:
			kinds = append(kinds, metadataRequest(t.Topic))
		case Produce:
			for _, p := range partitions {
				kinds = append(kinds, produceRequest(&t, p, batch, o.Timeout))
			}
		case Fetch:
			for _, p := range partitions {
				kinds = append(kinds, fetchRequest(&t, p, o.FetchBytes))
			}
		default:
			panic("workload: no requests of an unknown API")
		}
		for _, k := range kinds {
			s.requests[a] = append(s.requests[a], encode(a, k, version))
		}
	}
	return s, nil
}

// version chooses one for an API, below those with topic ids where there is no id.
func (t *Target) version(a API) (int16, error) {
	ours := a.Key().Request().MaxVersion()
	if a.NeedsPartition() && t.TopicID == [16]byte{} {
		ours = min(ours, firstTopicIDVersion-1)
	}
	return t.Versions.chooseUpTo(a.Key(), ours)
}

// Mix is what is sent to this broker.
func (s *Set) Mix() Mix { return s.mix }

// Largest is the length of the longest request.
func (s *Set) Largest() int {
	n := 0
	for _, requests := range s.requests {
		for _, r := range requests {
			n = max(n, len(r.Bytes))
		}
	}
	return n
}

// Picker draws requests. One goroutine at a time. Use [Set.Picker].
type Picker struct {
	set *Set
	rng rand.PCG
}

// Picker begins an order: another one for each stream, the same for the same seed and stream.
func (s *Set) Picker(seed, stream uint64) Picker {
	p := Picker{set: s}
	p.rng.Seed(seed, stream)
	return p
}

// Next draws an API by its weight and one of its partitions, each as likely as the others.
func (p *Picker) Next() *Request {
	s := p.set
	bits := p.rng.Uint64()
	point := below(uint32(bits), s.total)
	var requests []*Request
	for a, weight := range s.mix {
		if point < weight {
			requests = s.requests[a]
			break
		}
		point -= weight
	}
	return requests[below(uint32(bits>>32), len(requests))]
}

// below maps random bits to 0 … n-1. The bias of a multiplication, n in 2^32, does not matter to a load.
func below(bits uint32, n int) int { return int(uint64(bits) * uint64(n) >> 32) }
