package suite_test

import (
	"context"
	"errors"
	"testing"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/kio"
	"kafkaio/stress/kafka/internal/cluster"
)

// TestAHeartbeatDoesNotWaitForAJoin: a coordinator answers a JoinGroup when all members have come. Until then the heartbeats of another member, by the
// same Cluster, are answered, and tell that member to join again or leave.
func TestAHeartbeatDoesNotWaitForAJoin(t *testing.T) {
	throughDoors(t, []door{{cluster.Plaintext, ""}}, func(t *testing.T, d door, cfg kio.Config) {
		g := &group{cluster: openCluster(t, d, cfg), name: topicName()}
		g.find(t)
		first := g.newMember(t)
		joined, err := g.join(t.Context(), first)
		if err != nil {
			t.Fatal(err)
		}
		sync := kmsg.NewPtrSyncGroupRequest()
		sync.Group, sync.Generation, sync.MemberID = g.name, joined.Generation, first
		sync.ProtocolType, sync.Protocol = joined.ProtocolType, joined.Protocol
		assigned := kmsg.NewSyncGroupRequestGroupAssignment()
		assigned.MemberID, assigned.MemberAssignment = first, []byte("all of it")
		sync.GroupAssignment = append(sync.GroupAssignment, assigned)
		if s, err := sync.RequestWith(t.Context(), g.coordinator()); err != nil || s.ErrorCode != 0 {
			t.Fatalf("SyncGroup: %v, %+v", err, s)
		}
		if err := g.heartbeat(t, first, joined.Generation); err != nil {
			t.Fatalf("a heartbeat of the only member: %v", err)
		}

		second := g.newMember(t)
		ended := make(chan error, 1)
		go func() { // ends when the first member has left
			_, err := g.join(t.Context(), second)
			ended <- err
		}()
		eventually(t, "the first member is told of the second one", patience, func() bool {
			err := g.heartbeat(t, first, joined.Generation)
			if err != nil && !errors.Is(err, kerr.RebalanceInProgress) {
				t.Fatal(err)
			}
			return err != nil
		})
		select {
		case err := <-ended:
			t.Fatalf("the second member has joined before the first one has answered: %v", err)
		default:
		}
		g.leave(t, first)
		if err := <-ended; err != nil {
			t.Errorf("the second member: %v", err)
		}
		g.leave(t, second)
	})
}

// group is a group of consumers, by requests.
type group struct {
	cluster *kio.Cluster
	name    string
	node    int32 // its coordinator
}

func (g *group) coordinator() kmsg.Requestor { return g.cluster.To(g.node) }

// find asks for the coordinator until there is one: the first group of a cluster makes the topic that groups are kept in.
func (g *group) find(t *testing.T) {
	t.Helper()
	r := kmsg.NewPtrFindCoordinatorRequest()
	r.CoordinatorKeys = []string{g.name}
	eventually(t, "there is a coordinator", restartLimit, func() bool {
		found, err := r.RequestWith(t.Context(), g.cluster)
		if err != nil {
			t.Fatal(err)
		}
		g.node = found.Coordinators[0].NodeID
		return found.Coordinators[0].ErrorCode == 0
	})
}

// newMember is an id that the coordinator gives: who joins without one is told to come again with it (KIP-394).
func (g *group) newMember(t *testing.T) string {
	t.Helper()
	var id string
	eventually(t, "the coordinator takes a member", restartLimit, func() bool {
		joined, err := g.join(t.Context(), "")
		if errors.Is(err, kerr.MemberIDRequired) {
			id = joined.MemberID
			return true
		}
		if !kerr.IsRetriable(err) {
			t.Fatalf("JoinGroup without a member id: %v, want MEMBER_ID_REQUIRED", err)
		}
		return false
	})
	return id
}

func (g *group) join(ctx context.Context, member string) (*kmsg.JoinGroupResponse, error) {
	protocol := kmsg.NewJoinGroupRequestProtocol()
	protocol.Name = "range"
	r := kmsg.NewPtrJoinGroupRequest()
	r.Group, r.MemberID, r.ProtocolType, r.Protocols = g.name, member, "consumer", append(r.Protocols, protocol)
	r.SessionTimeoutMillis, r.RebalanceTimeoutMillis = 60_000, 60_000
	joined, err := r.RequestWith(ctx, g.coordinator())
	if err != nil {
		return nil, err
	}
	return joined, kerr.ErrorForCode(joined.ErrorCode)
}

func (g *group) heartbeat(t *testing.T, member string, generation int32) error {
	t.Helper()
	r := kmsg.NewPtrHeartbeatRequest()
	r.Group, r.Generation, r.MemberID = g.name, generation, member
	answer, err := r.RequestWith(t.Context(), g.coordinator())
	if err != nil {
		t.Fatal(err)
	}
	return kerr.ErrorForCode(answer.ErrorCode)
}

func (g *group) leave(t *testing.T, member string) {
	t.Helper()
	leaver := kmsg.NewLeaveGroupRequestMember()
	leaver.MemberID = member
	r := kmsg.NewPtrLeaveGroupRequest()
	r.Group, r.Members = g.name, append(r.Members, leaver)
	answer, err := r.RequestWith(t.Context(), g.coordinator())
	if err != nil || answer.ErrorCode != 0 {
		t.Errorf("LeaveGroup: %v, %+v", err, answer)
	}
}
