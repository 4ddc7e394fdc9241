package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"

	"kafkaio/stress/kafka/internal/topic"
)

const (
	clientID = "bench"
	// recordBytes is the size of the one value that is produced or fetched.
	recordBytes = 100
	// fetchBytes makes a Fetch answer with one batch, however many there are: the first one comes whole even if it is longer (KIP-74).
	fetchBytes = 1
	// timeout is long enough that no deadline passes, and short enough that a hang shows.
	timeout = 20 * time.Second
)

// job is what a child's client is to do.
type job struct {
	cell
	addr  string
	topic topic.Topic
	tls   *tls.Config // nil: plaintext
	user  string      // of the mechanism; empty: no SASL
	pass  string
}

// client is an opened client.
type client struct {
	// callers each make one round trip and return; each is used by one goroutine at a time.
	callers []func() error
	// submits, in place of callers, each ask and return; done is called with the answer, from any goroutine, which may ask again.
	submits []func(done func(error)) error
	// keep holds what must stay reachable while the client is in use.
	keep any
}

var openers = map[string]func(context.Context, job) (*client, error){
	ours:            openOurs,
	oursDelay:       openOurs,
	oursRaw:         openOursRaw,
	oursSubmit:      openOursSubmit,
	oursSubmitDelay: openOursSubmit,
	oursNever:       openOurs,
	oursGnet:        openOurs,
	franzGo:         openFranzGo,
	sarama:          openSarama,
	kafkaGo:         openKafkaGo,
	kafkaGoConn:     openKafkaGo,
}

// record is the one that is produced.
var record = kmsg.Record{Value: make([]byte, recordBytes)}

// request is the request of the job for clients that speak kmsg. Each caller has its own.
func (j job) request() kmsg.Request {
	switch j.api {
	case apiVersions:
		r := kmsg.NewPtrApiVersionsRequest()
		r.ClientSoftwareName, r.ClientSoftwareVersion = clientID, "1"
		return r
	case apiMetadata:
		return j.topic.Metadata()
	case apiProduce:
		r := j.topic.Produce(0, topic.Batch([]kmsg.Record{record}))
		r.Acks = 1
		return r
	default:
		return j.topic.Fetch(0, 0, fetchBytes)
	}
}

// renew makes of a request the next one. Those of other clients encode their record each time, so this does too.
func renew(r kmsg.Request) {
	if p, ok := r.(*kmsg.ProduceRequest); ok {
		p.Topics[0].Partitions[0].Records = topic.Batch([]kmsg.Record{record})
	}
}

var errAnswer = errors.New("not the answer that was asked for")

// verify looks at an answer as a user would.
func verify(resp kmsg.Response, err error) error {
	if err != nil {
		return err
	}
	switch r := resp.(type) {
	case *kmsg.ApiVersionsResponse:
		if r.ErrorCode != 0 || len(r.ApiKeys) == 0 {
			return fmt.Errorf("%w: ApiVersions with error code %d", errAnswer, r.ErrorCode)
		}
	case *kmsg.MetadataResponse:
		if len(r.Topics) != 1 || r.Topics[0].ErrorCode != 0 {
			return fmt.Errorf("%w: Metadata of %d topics", errAnswer, len(r.Topics))
		}
	case *kmsg.ProduceResponse:
		_, err = topic.Produced(resp, nil)
	case *kmsg.FetchResponse:
		raw, err := topic.Batches(resp, nil)
		if err != nil {
			return err
		}
		records, err := topic.ReadBatches(raw)
		if err != nil {
			return err
		}
		if len(records) != 1 {
			return fmt.Errorf("%w: a Fetch of %d records", errAnswer, len(records))
		}
	}
	return err
}

// openEach calls open for 0 to n-1, some at a time.
func openEach(n int, open func(i int) error) error {
	errs := make([]error, n)
	var wg sync.WaitGroup
	gate := make(chan struct{}, 8)
	for i := range n {
		gate <- struct{}{}
		wg.Go(func() {
			errs[i] = open(i)
			<-gate
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}
