package kio

import (
	"context"
	"reflect"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// NodeResponse is what one node has answered.
type NodeResponse struct {
	Node     Node
	Response kmsg.Response // nil with an error
	Err      error         // of type *Error
	Elapsed  time.Duration // until the answer or the error, connecting included
}

// Each sends a request to all nodes at once, with one deadline for all, and gives what each has answered, by node id. Each node is asked in the version that fits it. r
// is read only, but must not be changed meanwhile.
func (c *Cluster) Each(ctx context.Context, r kmsg.Request) []NodeResponse {
	ctx, cancel := c.bound(ctx)
	defer cancel()
	if !c.cfg.Cluster.Standalone && c.isOld() {
		_ = c.refresh(ctx, "", time.Now()) // those that are known are asked all the same
	}
	nodes := c.Nodes()
	results := make([]NodeResponse, len(nodes))
	var asking sync.WaitGroup
	for i, n := range nodes {
		asking.Go(func() { // one for each node for as long as it takes; the deadline ends it
			began := time.Now()
			response, err := c.RequestTo(ctx, n.ID, shallowCopy(r))
			results[i] = NodeResponse{n, response, err, time.Since(began)}
		})
	}
	asking.Wait()
	return results
}

// shallowCopy is a request of its own to set a version on; what it holds is shared, and only read.
func shallowCopy(r kmsg.Request) kmsg.Request {
	v := reflect.ValueOf(r)
	if v.Kind() != reflect.Pointer || v.IsNil() {
		return r // which Request will refuse, or a type that is no kmsg's own
	}
	c := reflect.New(v.Type().Elem())
	c.Elem().Set(v.Elem())
	return c.Interface().(kmsg.Request)
}
