package workload

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/frame"
)

// BrokerError says that a broker answered with an error code.
type BrokerError struct {
	API  API
	Code int16
}

// Error implements error.
func (e *BrokerError) Error() string {
	return fmt.Sprintf("%v was answered with error code %d, %s", e.API, e.Code, e.Name())
}

// Name is the code's name in the protocol guide.
func (e *BrokerError) Name() string {
	var k *kerr.Error
	if errors.As(kerr.ErrorForCode(e.Code), &k) && k.Code == e.Code { // which it is not for codes younger than kerr
		return k.Message
	}
	return fmt.Sprintf("CODE_%d", e.Code)
}

// MalformedError says that an answer could not be decoded.
type MalformedError struct {
	API     API
	Version int16
	Err     error
}

// Error implements error.
func (e *MalformedError) Error() string {
	return fmt.Sprintf("the answer to %v version %d cannot be decoded: %v", e.API, e.Version, e.Err)
}

// Unwrap gives the decoder's error.
func (e *MalformedError) Unwrap() error { return e.Err }

// Check says whether an answer is a success. answer is all that follows the size prefix; it is borrowed until Check returns. The error is
// a [*BrokerError] or a [*MalformedError].
func (r *Request) Check(answer []byte) error {
	switch r.API {
	case Produce, Fetch:
		if r.quickSuccess(answer) {
			return nil
		}
		return r.decode(answer)
	default:
		// The broker says the same again and again: that need not be decoded again.
		if good := r.good.Load(); good != nil && len(answer) > frame.ResponseHeaderMinBytes &&
			bytes.Equal(*good, answer[frame.ResponseHeaderMinBytes:]) {
			return nil
		}
		if err := r.decode(answer); err != nil {
			return err
		}
		good := bytes.Clone(answer[frame.ResponseHeaderMinBytes:])
		r.good.Store(&good)
		return nil
	}
}

// quickSuccess reads an answer as far as the error code of its first partition, and reports whether it is of exactly one partition and
// without an error. Where it cannot tell, it says no.
func (r *Request) quickSuccess(answer []byte) bool {
	in := kbin.Reader{Src: answer}
	in.Span(frame.ResponseHeaderMinBytes)
	if r.flexible && in.Uvarint() != 0 { // tags of the header
		return false
	}
	if r.API == Fetch && !fetchPreamble(&in, r.Version) {
		return false
	}
	if arrayLen(&in, r.flexible) != 1 {
		return false
	}
	const topicIDBytes = 16
	switch {
	case r.Version >= firstTopicIDVersion:
		in.Span(topicIDBytes)
	case r.flexible:
		in.Span(int(in.Uvarint()) - 1)
	default:
		in.Span(int(in.Int16()))
	}
	if arrayLen(&in, r.flexible) != 1 {
		return false
	}
	in.Int32() // partition
	code := in.Int16()
	return in.Ok() && code == 0
}

// fetchPreamble reads what stands before the topics of a Fetch answer (FetchResponse.json) and reports whether it is without an error.
func fetchPreamble(in *kbin.Reader, version int16) bool {
	if version >= 1 {
		in.Int32() // throttle time
	}
	if version >= 7 {
		code := in.Int16()
		in.Int32() // session id
		return code == 0
	}
	return true
}

func arrayLen(in *kbin.Reader, flexible bool) int32 {
	if flexible {
		return in.CompactArrayLen()
	}
	return in.ArrayLen()
}

// decode reads the whole answer and looks at every error code in it.
func (r *Request) decode(answer []byte) error {
	headerVersion := 0
	if r.flexible && r.API != ApiVersions { // whose answers keep header version 0 (ApiVersionsResponse.json)
		headerVersion = 1
	}
	_, body, err := frame.ParseResponseHeader(answer, headerVersion)
	if err != nil {
		return &MalformedError{r.API, r.Version, err}
	}
	response := r.API.Key().Response()
	response.SetVersion(r.Version)
	if err := response.ReadFrom(body); err != nil {
		return &MalformedError{r.API, r.Version, err}
	}
	if code := errorCode(response); code != 0 {
		return &BrokerError{r.API, code}
	}
	return nil
}

// errorCode is the first error code in an answer, 0 where there is none.
func errorCode(response kmsg.Response) int16 {
	var codes []int16
	switch v := response.(type) {
	case *kmsg.ApiVersionsResponse:
		codes = append(codes, v.ErrorCode)
	case *kmsg.MetadataResponse:
		codes = append(codes, v.ErrorCode)
		for _, t := range v.Topics {
			codes = append(codes, t.ErrorCode)
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	case *kmsg.ProduceResponse:
		for _, t := range v.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	case *kmsg.FetchResponse:
		codes = append(codes, v.ErrorCode)
		for _, t := range v.Topics {
			for _, p := range t.Partitions {
				codes = append(codes, p.ErrorCode)
			}
		}
	}
	for _, c := range codes {
		if c != 0 {
			return c
		}
	}
	return 0
}
