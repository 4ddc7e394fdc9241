package main

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// encode makes header and body of a request, without the size prefix, for RoundTrip.
func encode(r kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, r, 0)[4:]
}
