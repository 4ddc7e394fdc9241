package frame_test

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
)

func TestAPIKeysMatchTheProtocol(t *testing.T) {
	tests := []struct {
		key  frame.APIKey
		want kmsg.Key
	}{
		{frame.APIKeyProduce, kmsg.Produce},
		{frame.APIKeyFetch, kmsg.Fetch},
		{frame.APIKeyListOffsets, kmsg.ListOffsets},
		{frame.APIKeyMetadata, kmsg.Metadata},
		{frame.APIKeyControlledShutdown, kmsg.ControlledShutdown},
		{frame.APIKeyOffsetCommit, kmsg.OffsetCommit},
		{frame.APIKeyOffsetFetch, kmsg.OffsetFetch},
		{frame.APIKeyFindCoordinator, kmsg.FindCoordinator},
		{frame.APIKeyJoinGroup, kmsg.JoinGroup},
		{frame.APIKeyHeartbeat, kmsg.Heartbeat},
		{frame.APIKeyLeaveGroup, kmsg.LeaveGroup},
		{frame.APIKeySyncGroup, kmsg.SyncGroup},
		{frame.APIKeyDescribeGroups, kmsg.DescribeGroups},
		{frame.APIKeyListGroups, kmsg.ListGroups},
		{frame.APIKeySaslHandshake, kmsg.SASLHandshake},
		{frame.APIKeyApiVersions, kmsg.ApiVersions},
		{frame.APIKeyCreateTopics, kmsg.CreateTopics},
		{frame.APIKeyDeleteTopics, kmsg.DeleteTopics},
		{frame.APIKeyInitProducerID, kmsg.InitProducerID},
		{frame.APIKeyDescribeConfigs, kmsg.DescribeConfigs},
		{frame.APIKeySaslAuthenticate, kmsg.SASLAuthenticate},
		{frame.APIKeyDescribeCluster, kmsg.DescribeCluster},
	}
	for _, tt := range tests {
		if got, want := int16(tt.key), tt.want.Int16(); got != want {
			t.Errorf("%v is %d, want %d", tt.key, got, want)
		}
	}
}

func TestAPIKeyNames(t *testing.T) {
	tests := map[frame.APIKey]string{
		0: "Produce", 1: "Fetch", 2: "ListOffsets", 3: "Metadata", 7: "ControlledShutdown", 8: "OffsetCommit", 9: "OffsetFetch",
		10: "FindCoordinator", 11: "JoinGroup", 12: "Heartbeat", 13: "LeaveGroup", 14: "SyncGroup", 15: "DescribeGroups",
		16: "ListGroups", 17: "SaslHandshake", 18: "ApiVersions", 19: "CreateTopics", 20: "DeleteTopics", 22: "InitProducerId",
		32: "DescribeConfigs", 36: "SaslAuthenticate", 60: "DescribeCluster", 9999: "APIKey(9999)", -1: "APIKey(-1)",
	}
	for key, want := range tests {
		if got := key.String(); got != want {
			t.Errorf("APIKey %d is called %q, want %q", int16(key), got, want)
		}
	}
}
