package kio

import (
	"context"
	"sync"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
)

// Request encodes a request, sends it, and decodes the answer: it makes a Broker a kmsg.Requestor, so that every generated RequestWith works.
//
// The version is the one that the request carries (SetVersion). A Produce with acks=0 has no answer: it is sent one way, and an empty response
// returned. Deadline and errors are as with RoundTrip; an answer that does not decode is CodeNotReceived, and the connection stays usable.
func (b *Broker) Request(ctx context.Context, r kmsg.Request) (kmsg.Response, error) {
	if r == nil {
		return nil, b.trace.failed(invalid("request", b.addr, "request is nil"))
	}
	if v := r.GetVersion(); v < 0 || v > r.MaxVersion() {
		return nil, b.trace.failed(invalid("request", b.addr, "version %d of %s is not between 0 and %d", v, kmsg.NameForKey(r.Key()), r.MaxVersion()))
	}
	buf := requestBuffers.Get().(*[]byte)
	request := appendRequest((*buf)[:0], r, b.clientID)
	defer func() {
		if cap(request) <= keepRequestBytes {
			*buf = request
			requestBuffers.Put(buf)
		}
	}()

	if p, ok := r.(*kmsg.ProduceRequest); ok && p.Acks == 0 {
		if err := b.SendOneWay(ctx, request); err != nil {
			return nil, err
		}
		response := r.ResponseKind()
		response.SetVersion(r.GetVersion())
		return response, nil
	}
	answer, err := b.RoundTrip(ctx, request)
	if err != nil {
		return nil, err
	}
	response, err := parseResponse(answer, r)
	if err != nil {
		return nil, b.trace.failed(&Error{Op: "request", Addr: b.addr, Code: CodeNotReceived, Err: err, Bytes: len(answer)})
	}
	return response, nil
}

var _ kmsg.Requestor = (*Broker)(nil)

// requestBuffers hold encoded requests for as long as they are being sent.
var requestBuffers = sync.Pool{New: func() any { return new([]byte) }}

// keepRequestBytes is the largest buffer that goes back to requestBuffers.
const keepRequestBytes = 256 << 10

// appendRequest appends header and body. The correlation id is left 0: the connection stamps its own.
func appendRequest(dst []byte, r kmsg.Request, clientID string) []byte {
	dst = frame.AppendRequestHeader(dst, requestHeaderVersion(r), frame.RequestHeader{
		Key:      frame.APIKey(r.Key()),
		Version:  r.GetVersion(),
		ClientID: &clientID,
	})
	return r.AppendTo(dst)
}

// requestHeaderVersion is 2 for flexible requests, else 1, and 0 for the one request that predates client ids (ControlledShutdownRequest.json:
// "version 0 uses header version 0").
func requestHeaderVersion(r kmsg.Request) int {
	switch {
	case r.Key() == int16(frame.APIKeyControlledShutdown) && r.GetVersion() == 0:
		return 0
	case r.IsFlexible():
		return 2
	default:
		return 1
	}
}

// responseHeaderVersion is 1 for flexible responses, else 0; ApiVersions keeps 0 always, so that a client can read the answer of a broker whose
// versions it does not know yet (ApiVersionsResponse.json).
func responseHeaderVersion(r kmsg.Request) int {
	if r.IsFlexible() && r.Key() != int16(frame.APIKeyApiVersions) {
		return 1
	}
	return 0
}

// parseResponse decodes an answer to r.
func parseResponse(answer []byte, r kmsg.Request) (kmsg.Response, error) {
	_, body, err := frame.ParseResponseHeader(answer, responseHeaderVersion(r))
	if err != nil {
		return nil, err
	}
	response := r.ResponseKind()
	response.SetVersion(r.GetVersion())
	if err := response.ReadFrom(body); err != nil {
		return nil, err
	}
	return response, nil
}
