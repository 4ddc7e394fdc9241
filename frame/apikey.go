package frame

import "fmt"

// APIKey is the number of an API, the first field of each request (protocol guide, "Api Keys").
type APIKey int16

// The API keys that this module has a use for; any other number is carried all the same. Each value is the apiKey in the schema of
// that name in apache/kafka, clients/src/main/resources/common/message.
const (
	APIKeyProduce            APIKey = 0
	APIKeyFetch              APIKey = 1
	APIKeyListOffsets        APIKey = 2
	APIKeyMetadata           APIKey = 3
	APIKeyControlledShutdown APIKey = 7 // its version 0 is the only request with header version 0
	APIKeyOffsetCommit       APIKey = 8
	APIKeyOffsetFetch        APIKey = 9
	APIKeyFindCoordinator    APIKey = 10
	APIKeyJoinGroup          APIKey = 11
	APIKeyHeartbeat          APIKey = 12
	APIKeyLeaveGroup         APIKey = 13
	APIKeySyncGroup          APIKey = 14
	APIKeyDescribeGroups     APIKey = 15
	APIKeyListGroups         APIKey = 16
	APIKeySaslHandshake      APIKey = 17
	APIKeyApiVersions        APIKey = 18 // its response keeps header version 0 (KIP-511)
	APIKeyCreateTopics       APIKey = 19
	APIKeyDeleteTopics       APIKey = 20
	APIKeyInitProducerID     APIKey = 22
	APIKeyDescribeConfigs    APIKey = 32
	APIKeySaslAuthenticate   APIKey = 36
	APIKeyDescribeCluster    APIKey = 60
)

// String returns the name that the protocol guide gives the API, or the number in brackets where this package has no constant for it.
func (k APIKey) String() string {
	switch k {
	case APIKeyProduce:
		return "Produce"
	case APIKeyFetch:
		return "Fetch"
	case APIKeyListOffsets:
		return "ListOffsets"
	case APIKeyMetadata:
		return "Metadata"
	case APIKeyControlledShutdown:
		return "ControlledShutdown"
	case APIKeyOffsetCommit:
		return "OffsetCommit"
	case APIKeyOffsetFetch:
		return "OffsetFetch"
	case APIKeyFindCoordinator:
		return "FindCoordinator"
	case APIKeyJoinGroup:
		return "JoinGroup"
	case APIKeyHeartbeat:
		return "Heartbeat"
	case APIKeyLeaveGroup:
		return "LeaveGroup"
	case APIKeySyncGroup:
		return "SyncGroup"
	case APIKeyDescribeGroups:
		return "DescribeGroups"
	case APIKeyListGroups:
		return "ListGroups"
	case APIKeySaslHandshake:
		return "SaslHandshake"
	case APIKeyApiVersions:
		return "ApiVersions"
	case APIKeyCreateTopics:
		return "CreateTopics"
	case APIKeyDeleteTopics:
		return "DeleteTopics"
	case APIKeyInitProducerID:
		return "InitProducerId"
	case APIKeyDescribeConfigs:
		return "DescribeConfigs"
	case APIKeySaslAuthenticate:
		return "SaslAuthenticate"
	case APIKeyDescribeCluster:
		return "DescribeCluster"
	}
	return fmt.Sprintf("APIKey(%d)", int16(k))
}
