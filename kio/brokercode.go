package kio

import "fmt"

// The broker's error codes that opening a connection and following a cluster meet (apache/kafka Errors.java).
const (
	codeUnknownTopicOrPartition    int16 = 3
	codeLeaderNotAvailable         int16 = 5
	codeNotLeaderOrFollower        int16 = 6
	codeReplicaNotAvailable        int16 = 9
	codeClusterAuthorizationFailed int16 = 31
	codeUnsupportedSASLMechanism   int16 = 33
	codeIllegalSASLState           int16 = 34
	codeUnsupportedVersion         int16 = 35
	codeNotController              int16 = 41
	codeInvalidRequest             int16 = 42
	codeKafkaStorageError          int16 = 56
	codeSASLAuthenticationFailed   int16 = 58
	codeListenerNotFound           int16 = 72
	codeFencedLeaderEpoch          int16 = 74
	codeUnknownLeaderEpoch         int16 = 75
	codeUnknownTopicID             int16 = 100
	codeInconsistentTopicID        int16 = 103
	codeRebootstrapRequired        int16 = 129
)

// brokerCode is a broker's error code as errors tell it: the protocol's name where it is one of the above, and the number.
func brokerCode(code int16) string {
	name := "error code"
	switch code {
	case -1:
		name = "UNKNOWN_SERVER_ERROR"
	case codeUnknownTopicOrPartition:
		name = "UNKNOWN_TOPIC_OR_PARTITION"
	case codeLeaderNotAvailable:
		name = "LEADER_NOT_AVAILABLE"
	case codeClusterAuthorizationFailed:
		name = "CLUSTER_AUTHORIZATION_FAILED"
	case codeUnsupportedSASLMechanism:
		name = "UNSUPPORTED_SASL_MECHANISM"
	case codeIllegalSASLState:
		name = "ILLEGAL_SASL_STATE"
	case codeUnsupportedVersion:
		name = "UNSUPPORTED_VERSION"
	case codeInvalidRequest:
		name = "INVALID_REQUEST"
	case codeSASLAuthenticationFailed:
		name = "SASL_AUTHENTICATION_FAILED"
	case codeRebootstrapRequired:
		name = "REBOOTSTRAP_REQUIRED"
	}
	return fmt.Sprintf("%s (%d)", name, code)
}
