package hold

import (
	"encoding/binary"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
	"kafkaio/kio"
	"kafkaio/stress/internal/load"
	"kafkaio/stress/internal/workload"
)

// ClassNotConnected is the class of a request to a broker to which no connection has been opened yet, and no attempt has failed.
const ClassNotConnected = "not-connected"

// request is ApiVersions in version 0, which every broker answers: all that follows the size prefix.
func request(clientID string) []byte {
	const sizeBytes = 4
	r := kmsg.NewPtrApiVersionsRequest()
	return kmsg.NewRequestFormatter(kmsg.FormatterClientID(clientID)).AppendRequest(nil, r, 0)[sizeBytes:]
}

// checkAnswer says whether an answer to request is a success. It is borrowed.
func checkAnswer(answer []byte) error {
	body := answer[min(frame.ResponseHeaderMinBytes, len(answer)):]
	if len(body) < 2 {
		return &workload.MalformedError{API: workload.ApiVersions, Err: errShort}
	}
	if code := int16(binary.BigEndian.Uint16(body)); code != 0 {
		return &workload.BrokerError{API: workload.ApiVersions, Code: code}
	}
	return nil
}

var errShort = errors.New("it ends before its error code")

// call is one request on its way. Its end belongs to whoever calls done.
type call struct {
	h         *Holder
	due       time.Time
	submitted time.Time
	end       func(answer []byte, err error) // onAnswer, bound once
}

// newCall takes a call from the pool.
func (h *Holder) newCall() *call {
	c, ok := h.calls.Get().(*call)
	if !ok {
		c = &call{h: h}
		c.end = c.onAnswer
	}
	return c
}

// onAnswer is called once for each request that was submitted, on an event loop.
func (c *call) onAnswer(answer []byte, err error) {
	h := c.h
	now := time.Now()
	if err == nil {
		err = checkAnswer(answer)
	}
	switch {
	case err == nil:
		h.tally.success(now.Sub(c.due), now.Sub(c.submitted))
	case h.cut.Load():
		h.tally.cut()
	default:
		h.tally.failure(classify(err))
	}
	h.calls.Put(c)
	h.retire()
}

// classify gives the class of a failure: of one to reach the broker, that of the attempt which failed.
func classify(err error) string {
	var n *kio.NotConnectedError
	if errors.As(err, &n) {
		if n.Last == nil {
			return ClassNotConnected
		}
		err = n.Last
	}
	return load.Classify(err)
}
