package kio

import (
	"context"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
)

// Request encodes a request, sends it, and decodes the answer: it makes a Broker a kmsg.Requestor, so that every generated RequestWith works.
//
// A request whose version is 0, as new ones have it, is sent in the highest one that the broker, kmsg, Config.MaxVersions and its own content allow: one
// that names its topics is not sent in a version that knows them by id, nor one for a single group in a version that has lists. A version
// that was set (SetVersion) is used as it is. Where there is no such version, the error is CodeInvalidArgument with a *VersionError, and nothing is sent.
// With Config.OpenRaw the request's own version is used, 0 included. r has its own version back when Request returns; the response tells the one
// that was used. Meanwhile nobody else may use r.
//
// A Produce with acks=0 has no answer: it is sent one way, and an empty response returned. Deadline and errors are as with RoundTrip; an answer that
// does not decode is CodeNotReceived, and the connection stays usable. An answer that throttles keeps all further requests of the connection waiting, for
// Config.MaxThrottle at most; answers to RoundTrip and Submit are not looked into.
func (b *Broker) Request(ctx context.Context, r kmsg.Request) (kmsg.Response, error) {
	if r == nil {
		return nil, b.trace.failed(invalid("request", b.addr, "request is nil"))
	}
	own := r.GetVersion()
	if own < 0 || own > r.MaxVersion() {
		return nil, b.trace.failed(invalid("request", b.addr, "version %d of %s is not between 0 and %d", own, kmsg.NameForKey(r.Key()), r.MaxVersion()))
	}
	version, err := b.chooseVersion(r)
	if err != nil {
		return nil, b.trace.failed(&Error{Op: "request", Addr: b.addr, Code: CodeInvalidArgument, Err: err, unsent: true})
	}
	if version != own {
		r.SetVersion(version)
		defer r.SetVersion(own)
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
		return nil, b.trace.failed(&Error{Op: "request", Addr: b.addr, MappedTo: mappedTo(b.addr, b.conn.ConnectedTo()), Code: CodeNotReceived, Err: err, Bytes: len(answer)})
	}
	if t, ok := response.(kmsg.ThrottleResponse); ok {
		if millis, after := t.Throttle(); millis > 0 && after { // before KIP-219 the broker has waited already
			b.throttled(time.Duration(millis) * time.Millisecond)
		}
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
