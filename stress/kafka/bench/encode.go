package main

import (
	"github.com/twmb/franz-go/pkg/kmsg"
)

// encode makes a request as it is on the wire.
func encode(r kmsg.Request) []byte {
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, r, 0)
}
