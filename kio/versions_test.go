package kio_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
)

func TestTheHighestCommonVersionIsUsed(t *testing.T) {
	for _, tt := range []struct {
		name   string
		broker [2]int16
		pin    int16 // -1: none
		set    int16
		want   int16 // -1: none in common
		text   string
	}{
		{"the broker's", [2]int16{0, 9}, -1, 0, 9, ""},
		{"kmsg's", [2]int16{0, 99}, -1, 0, kmsg.NewPtrMetadataRequest().MaxVersion(), ""},
		{"a pinned one", [2]int16{0, 9}, 7, 0, 7, ""},
		{"a pin above the broker's", [2]int16{0, 9}, 12, 0, 9, ""},
		{"a pin at 0", [2]int16{0, 9}, 0, 0, 0, ""},
		{"the one that was set", [2]int16{0, 9}, -1, 4, 4, ""},
		{"the one that was set, below a pin", [2]int16{0, 9}, 5, 4, 4, ""},
		{"a pin below the broker's", [2]int16{5, 9}, 4, 0, -1, "no version of Metadata in common: the broker takes 5 to 9, this side sends 0 to 4 (Config.MaxVersions)"},
		{"set above the broker's", [2]int16{0, 9}, -1, 10, -1, "the broker takes 0 to 9, this side sends 10 (set by SetVersion)"},
		{"set below the broker's", [2]int16{5, 9}, -1, 4, -1, "the broker takes 5 to 9, this side sends 4 (set by SetVersion)"},
		{"set above a pin", [2]int16{0, 9}, 6, 7, -1, "this side sends 7 (set by SetVersion, but Config.MaxVersions allows 6)"},
		{"a broker from the future", [2]int16{50, 60}, -1, 0, -1, "the broker takes 50 to 60"},
		{"an API that is not known", [2]int16{-1, -1}, -1, 0, -1, "the broker does not know Metadata (API key 3)"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t)
			if tt.pin >= 0 {
				cfg.MaxVersions = map[int16]int16{3: tt.pin, 1: 4}
			}
			s := &strictBroker{versions: map[int16][2]int16{18: {0, 3}, 3: tt.broker}}
			if tt.broker[0] < 0 {
				delete(s.versions, 3)
			}
			b := mustDialBroker(t, s.listen(t), cfg)
			r := kmsg.NewPtrMetadataRequest()
			r.SetVersion(tt.set)
			response, err := r.RequestWith(t.Context(), b)
			if got := r.GetVersion(); got != tt.set {
				t.Errorf("the request was left in version %d, want its own, %d", got, tt.set)
			}
			asked := s.requests()[1:]
			if tt.want < 0 {
				e := withCode(t, err, kio.CodeInvalidArgument)
				var none *kio.VersionError
				if !errors.As(err, &none) || none.Key != 3 || none.BrokerMin != tt.broker[0] || none.BrokerMax != tt.broker[1] || !e.SafeToRetry() {
					t.Errorf("%v is %+v, want a *kio.VersionError of Metadata", err, none)
				}
				if !strings.Contains(err.Error(), tt.text) || len(asked) != 0 {
					t.Errorf("%v with %d requests sent, want %q and nothing sent", err, len(asked), tt.text)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if len(asked) != 1 || asked[0].GetVersion() != tt.want || response.GetVersion() != tt.want {
				t.Errorf("sent in version %d, answered in %d; want %d", asked[0].GetVersion(), response.GetVersion(), tt.want)
			}
		})
	}
}

// A request that is filled in the old way is sent in the last version that carries it: a later one would silently leave out what it has replaced.
func TestTheVersionCarriesWhatIsFilledIn(t *testing.T) {
	id := [16]byte{1}
	for _, tt := range []struct {
		name string
		r    kmsg.Request
		want int16 // -1: the latest
	}{
		{"Produce by name", &kmsg.ProduceRequest{Acks: 1, Topics: []kmsg.ProduceRequestTopic{{Topic: "t"}}}, 12},
		{"Produce by id", &kmsg.ProduceRequest{Acks: 1, Topics: []kmsg.ProduceRequestTopic{{TopicID: id}}}, -1},
		{"Produce by both", &kmsg.ProduceRequest{Acks: 1, Topics: []kmsg.ProduceRequestTopic{{Topic: "t", TopicID: id}}}, -1},
		{"Fetch by name", &kmsg.FetchRequest{Topics: []kmsg.FetchRequestTopic{{Topic: "t"}}}, 12},
		{"Fetch by id", &kmsg.FetchRequest{Topics: []kmsg.FetchRequestTopic{{TopicID: id}}}, -1},
		{"Fetch forgets by name", &kmsg.FetchRequest{ForgottenTopics: []kmsg.FetchRequestForgottenTopic{{Topic: "t"}}}, 12},
		{"Fetch of nothing", &kmsg.FetchRequest{}, -1},
		{"OffsetCommit by name", &kmsg.OffsetCommitRequest{Topics: []kmsg.OffsetCommitRequestTopic{{Topic: "t"}}}, 9},
		{"TxnOffsetCommit by name", &kmsg.TxnOffsetCommitRequest{Topics: []kmsg.TxnOffsetCommitRequestTopic{{Topic: "t"}}}, 5},
		{"OffsetFetch of one group", &kmsg.OffsetFetchRequest{Group: "g"}, 7},
		{"OffsetFetch by name", &kmsg.OffsetFetchRequest{Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g", Topics: []kmsg.OffsetFetchRequestGroupTopic{{Topic: "t"}}}}}, 9},
		{"OffsetFetch of groups", &kmsg.OffsetFetchRequest{Groups: []kmsg.OffsetFetchRequestGroup{{Group: "g"}}}, -1},
		{"DeleteTopics by name", &kmsg.DeleteTopicsRequest{TopicNames: []string{"t"}}, 5},
		{"DeleteTopics", &kmsg.DeleteTopicsRequest{Topics: []kmsg.DeleteTopicsRequestTopic{{}}}, -1},
		{"FindCoordinator of one key", &kmsg.FindCoordinatorRequest{CoordinatorKey: "g"}, 3},
		{"FindCoordinator of keys", &kmsg.FindCoordinatorRequest{CoordinatorKeys: []string{"g"}}, -1},
		{"LeaveGroup of one member", &kmsg.LeaveGroupRequest{Group: "g", MemberID: "m"}, 2},
		{"LeaveGroup of members", &kmsg.LeaveGroupRequest{Group: "g", Members: []kmsg.LeaveGroupRequestMember{{MemberID: "m"}}}, -1},
		{"AddPartitionsToTxn of one transaction", &kmsg.AddPartitionsToTxnRequest{TransactionalID: "x"}, 3},
		{"ApiVersions of nobody", &kmsg.ApiVersionsRequest{}, 2},
		{"ApiVersions of somebody", &kmsg.ApiVersionsRequest{ClientSoftwareName: "a", ClientSoftwareVersion: "1"}, -1},
		{"Metadata by name", func() kmsg.Request {
			name := "t"
			return &kmsg.MetadataRequest{Topics: []kmsg.MetadataRequestTopic{{Topic: &name}}}
		}(), -1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config(t)
			s := &strictBroker{versions: map[int16][2]int16{18: {0, tt.r.MaxVersion()}}}
			s.versions[tt.r.Key()] = [2]int16{0, tt.r.MaxVersion()}
			b := mustDialBroker(t, s.listen(t), cfg)
			if _, err := b.Request(t.Context(), tt.r); err != nil {
				t.Fatal(err)
			}
			want := tt.want
			if want < 0 {
				want = tt.r.MaxVersion()
			}
			asked := s.requests()
			got := asked[len(asked)-1]
			if got.GetVersion() != want {
				t.Errorf("sent in version %d, want %d", got.GetVersion(), want)
			}
			sent := reflect.New(reflect.TypeOf(tt.r).Elem()).Interface().(kmsg.Request)
			reflect.ValueOf(sent).Elem().Set(reflect.ValueOf(tt.r).Elem())
			sent.SetVersion(want)
			if !strings.Contains(tt.name, "both") && string(sent.AppendTo(nil)) != string(got.AppendTo(nil)) {
				t.Errorf("arrived as %+v, want %+v", got, sent)
			}
		})
	}
}

func TestConfigBoundsWhatBrokersAreTold(t *testing.T) {
	cfg := config(t)
	for name, tt := range map[string]struct {
		set func(c *kio.Config)
		ok  bool
	}{
		"a letter":         {func(c *kio.Config) { c.ClientSoftwareName = "a" }, true},
		"dots and dashes":  {func(c *kio.Config) { c.ClientSoftwareVersion = "1.2-3..4" }, true},
		"a blank":          {func(c *kio.Config) { c.ClientSoftwareName = "a b" }, false},
		"a dash at an end": {func(c *kio.Config) { c.ClientSoftwareName = "a-" }, false},
		"a dot at the top": {func(c *kio.Config) { c.ClientSoftwareVersion = ".1" }, false},
		"a plus":           {func(c *kio.Config) { c.ClientSoftwareVersion = "1.0+dirty" }, false},
		"an umlaut":        {func(c *kio.Config) { c.ClientSoftwareName = "bär" }, false},
		"a dash":           {func(c *kio.Config) { c.ClientSoftwareName = "-" }, false},
		"a version":        {func(c *kio.Config) { c.MaxVersions = map[int16]int16{3: 0} }, true},
		"a negative pin":   {func(c *kio.Config) { c.MaxVersions = map[int16]int16{3: -1} }, false},
		"a negative key":   {func(c *kio.Config) { c.MaxVersions = map[int16]int16{-3: 1} }, false},
	} {
		c := cfg
		tt.set(&c)
		_, err := dialledAddr(t, "localhost:9092", c)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v; want it to pass: %t", name, err, tt.ok)
		}
		if err != nil {
			wantCode(t, err, kio.CodeInvalidArgument)
		}
	}
}
