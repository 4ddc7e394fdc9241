package kio

import "fmt"

// The broker's error codes that opening a connection meets (apache/kafka Errors.java).
const (
	codeClusterAuthorizationFailed int16 = 31
	codeUnsupportedSASLMechanism   int16 = 33
	codeIllegalSASLState           int16 = 34
	codeUnsupportedVersion         int16 = 35
	codeInvalidRequest             int16 = 42
	codeSASLAuthenticationFailed   int16 = 58
	codeRebootstrapRequired        int16 = 129
)

// brokerCode is a broker's error code as errors tell it: the protocol's name where it is one of the above, and the number.
func brokerCode(code int16) string {
	name := "error code"
	switch code {
	case -1:
		name = "UNKNOWN_SERVER_ERROR"
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
