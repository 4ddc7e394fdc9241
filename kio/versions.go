package kio

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"unique"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// versionRange is the versions of one API that a side takes.
type versionRange struct{ key, min, max int16 }

// versionTable is a list of ranges, sorted by API key and packed into a string. Tables of the same content are one: ten thousand brokers of a cluster
// share a few hundred bytes. The zero value is empty. Immutable.
type versionTable struct{ packed unique.Handle[string] }

// rangeBytes is the length of a packed range: key, lowest and highest version.
const rangeBytes = 6

// newVersionTable packs ranges. Of two for the same API the first holds.
func newVersionTable(ranges []versionRange) versionTable {
	if len(ranges) == 0 {
		return versionTable{}
	}
	ranges = slices.Clone(ranges)
	slices.SortStableFunc(ranges, func(a, b versionRange) int { return int(a.key) - int(b.key) })
	ranges = slices.CompactFunc(ranges, func(a, b versionRange) bool { return a.key == b.key })
	b := make([]byte, 0, rangeBytes*len(ranges))
	for _, r := range ranges {
		b = binary.BigEndian.AppendUint16(b, uint16(r.key))
		b = binary.BigEndian.AppendUint16(b, uint16(r.min))
		b = binary.BigEndian.AppendUint16(b, uint16(r.max))
	}
	return versionTable{unique.Make(string(b))}
}

// newPins packs Config.MaxVersions.
func newPins(pins map[int16]int16) versionTable {
	ranges := make([]versionRange, 0, len(pins))
	for _, key := range slices.Sorted(maps.Keys(pins)) {
		ranges = append(ranges, versionRange{key: key, max: pins[key]})
	}
	return newVersionTable(ranges)
}

// empty reports whether nothing is in the table.
func (t versionTable) empty() bool { return t == versionTable{} }

// find gives the range of an API.
func (t versionTable) find(key int16) (r versionRange, ok bool) {
	if t.empty() {
		return versionRange{}, false
	}
	s := t.packed.Value()
	field := func(at int) int16 { return int16(uint16(s[at])<<8 | uint16(s[at+1])) }
	n := len(s) / rangeBytes
	i := sort.Search(n, func(i int) bool { return field(i*rangeBytes) >= key })
	if i == n || field(i*rangeBytes) != key {
		return versionRange{}, false
	}
	return versionRange{key, field(i*rangeBytes + 2), field(i*rangeBytes + 4)}, true
}

// Versions gives the versions of an API that the broker takes, as it said when the connection was opened. It is false for an API that the broker
// does not know, and for all of them with Config.OpenRaw, where it was not asked.
func (b *Broker) Versions(key int16) (lowest, highest int16, ok bool) {
	r, ok := b.versions.find(key)
	return r.min, r.max, ok
}

// VersionError refuses a request of which the broker and this side have no version in common. Nothing was sent.
type VersionError struct {
	Key                  int16  // the API
	BrokerMin, BrokerMax int16  // the versions that the broker takes; -1 where it does not know the API
	OwnMin, OwnMax       int16  // the versions that this side would send
	Limit                string // what has narrowed them, where that is not what this side can encode
}

// Error names both ranges, and what has narrowed this side's.
func (e *VersionError) Error() string {
	name := kmsg.NameForKey(e.Key)
	if e.BrokerMax < 0 {
		return fmt.Sprintf("the broker does not know %s (API key %d): it is too old or too new for it, or does not offer it on this listener", name, e.Key)
	}
	own := fmt.Sprintf("%d to %d", e.OwnMin, e.OwnMax)
	if e.OwnMin == e.OwnMax {
		own = strconv.Itoa(int(e.OwnMin))
	}
	if e.Limit != "" {
		own += " (" + e.Limit + ")"
	}
	return fmt.Sprintf("no version of %s in common: the broker takes %d to %d, this side sends %s", name, e.BrokerMin, e.BrokerMax, own)
}

// chooseVersion gives the version in which a request is sent: the one that the caller has set, or else the highest that the broker, the encoder,
// Config.MaxVersions and the request's content allow. With Config.OpenRaw it is always the caller's.
func (b *Broker) chooseVersion(r kmsg.Request) (int16, error) {
	set := r.GetVersion()
	if b.versions.empty() {
		return set, nil
	}
	if set > 0 {
		return b.commonVersion(r.Key(), set, set, "set by SetVersion")
	}
	highest, limit := r.MaxVersion(), ""
	if carried, why := carriedBy(r); carried < highest {
		highest, limit = carried, why
	}
	return b.commonVersion(r.Key(), 0, highest, limit)
}

// commonVersion gives the highest version between lowest and highest that the broker takes and Config.MaxVersions allows, or a *VersionError.
func (b *Broker) commonVersion(key, lowest, highest int16, limit string) (int16, error) {
	theirs, ok := b.versions.find(key)
	if !ok {
		return 0, &VersionError{key, -1, -1, lowest, highest, limit}
	}
	if pin, ok := b.pins.find(key); ok && pin.max < lowest {
		limit = fmt.Sprintf("%s, but Config.MaxVersions allows %d", limit, pin.max)
		return 0, &VersionError{key, theirs.min, theirs.max, lowest, highest, limit}
	} else if ok && pin.max < highest {
		highest, limit = pin.max, "Config.MaxVersions"
	}
	version := min(highest, theirs.max)
	if version < lowest || version < theirs.min {
		return 0, &VersionError{key, theirs.min, theirs.max, lowest, highest, limit}
	}
	return version, nil
}

// carriedBy gives the last version of a request that carries what its caller has filled in, and why. Where the protocol has replaced a field by
// another one (a topic's name by its id, one key by a list of keys), a later version would silently leave the field out. The numbers are those of the
// schemas' "versions" in apache/kafka, clients/src/main/resources/common/message.
func carriedBy(r kmsg.Request) (version int16, why string) {
	const (
		names  = "its topics are named, and later versions carry topic ids"
		single = "filled in as for one group, key or member, and later versions carry lists"
	)
	noID := [16]byte{}
	switch r := r.(type) {
	case *kmsg.ApiVersionsRequest:
		if r.ClientSoftwareName == "" || r.ClientSoftwareVersion == "" {
			return 2, "it has no ClientSoftwareName and ClientSoftwareVersion, and later versions must"
		}
	case *kmsg.ProduceRequest:
		if slices.ContainsFunc(r.Topics, func(t kmsg.ProduceRequestTopic) bool { return t.TopicID == noID && t.Topic != "" }) {
			return 12, names
		}
	case *kmsg.FetchRequest:
		if slices.ContainsFunc(r.Topics, func(t kmsg.FetchRequestTopic) bool { return t.TopicID == noID && t.Topic != "" }) ||
			slices.ContainsFunc(r.ForgottenTopics, func(t kmsg.FetchRequestForgottenTopic) bool { return t.TopicID == noID && t.Topic != "" }) {
			return 12, names
		}
	case *kmsg.OffsetCommitRequest:
		if slices.ContainsFunc(r.Topics, func(t kmsg.OffsetCommitRequestTopic) bool { return t.TopicID == noID && t.Topic != "" }) {
			return 9, names
		}
	case *kmsg.TxnOffsetCommitRequest:
		if slices.ContainsFunc(r.Topics, func(t kmsg.TxnOffsetCommitRequestTopic) bool { return t.TopicID == noID && t.Topic != "" }) {
			return 5, names
		}
	case *kmsg.OffsetFetchRequest:
		if len(r.Groups) == 0 && r.Group != "" {
			return 7, single
		}
		for _, g := range r.Groups {
			if slices.ContainsFunc(g.Topics, func(t kmsg.OffsetFetchRequestGroupTopic) bool { return t.TopicID == noID && t.Topic != "" }) {
				return 9, names
			}
		}
	case *kmsg.DeleteTopicsRequest:
		if len(r.Topics) == 0 && len(r.TopicNames) > 0 {
			return 5, single
		}
	case *kmsg.FindCoordinatorRequest:
		if len(r.CoordinatorKeys) == 0 {
			return 3, single
		}
	case *kmsg.LeaveGroupRequest:
		if len(r.Members) == 0 && r.MemberID != "" {
			return 2, single
		}
	case *kmsg.AddPartitionsToTxnRequest:
		if len(r.Transactions) == 0 {
			return 3, single
		}
	}
	return r.MaxVersion(), ""
}

// apiVersionsNamed is the first version of ApiVersions that names the client (KIP-511), and the one to ask first: later ones add what nothing here
// reads, and would cost a second question with every broker that does not know them yet.
const apiVersionsNamed = 3

// parseApiVersions reads the body of an answer to ApiVersions. Written by hand, as kmsg's reader of tags takes minutes for five hostile bytes.
func parseApiVersions(body []byte, version int16) (code int16, ranges []versionRange, throttleMillis int32, err error) {
	p := parser{b: body}
	code = p.int16()
	if code == codeUnsupportedVersion {
		version = 0 // KIP-511: in whatever version the question was
	}
	flexible := version >= apiVersionsNamed
	perRange := rangeBytes
	if flexible {
		perRange++ // its tags
	}
	n := p.arrayLen(flexible, perRange)
	ranges = make([]versionRange, 0, n)
	for range n {
		ranges = append(ranges, versionRange{p.int16(), p.int16(), p.int16()})
		if flexible {
			p.skipTags()
		}
	}
	if version >= 1 {
		throttleMillis = p.int32()
	}
	if flexible {
		p.skipTags()
	}
	if p.err != nil {
		return 0, nil, 0, p.err
	}
	return code, ranges, throttleMillis, nil
}
