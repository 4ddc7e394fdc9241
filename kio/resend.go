package kio

import (
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// chooser gives the endpoint of the next attempt at a request. Errors are like those of a request that was not sent.
type chooser func(ctx context.Context) (*endpoint, error)

// request sends a request to where choose says, and again where it is safe, until its deadline.
func (c *Cluster) request(ctx context.Context, r kmsg.Request, choose chooser) (kmsg.Response, error) {
	if r == nil {
		return nil, c.trace.failed(invalid("request", "", "request is nil"))
	}
	class := ClassOf(r)
	var response kmsg.Response
	err := c.try(ctx, choose, func(ctx context.Context, p *endpoint) (err error) {
		if response, err = p.request(ctx, class, r); err != nil {
			return err
		}
		c.learn(response)
		if c.misdirected(r, response) {
			c.distrust()
			return errMisdirected
		}
		return nil
	})
	if err == nil || err == errMisdirected { //nolint:errorlint // ours, and never wrapped: the answer tells who asked as much
		return response, nil
	}
	return nil, err
}

// errMisdirected stands for an answer that names another controller. The broker has done nothing, so that it is safe to ask that one.
var errMisdirected = errors.New("not the controller")

// try calls do with the endpoint that choose gives, within the deadline of a call, until it succeeds or may not be tried again. Errors are of type *Error, or
// errMisdirected.
func (c *Cluster) try(ctx context.Context, choose chooser, do func(ctx context.Context, p *endpoint) error) error {
	if err := c.refusal(); err != nil {
		return c.trace.failed(asClusterError(err))
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	var last error
	for tries := 1; ; tries++ {
		p, err := choose(ctx)
		if err == nil {
			err = do(ctx, p)
		}
		if err == nil {
			return nil
		}
		if e, ok := err.(*Error); ok { //nolint:errorlint // the call's own: what is further inside may be shared with others
			if n, ok := e.Err.(*NotConnectedError); ok && n.end != nil && n.Last == nil { //nolint:errorlint // likewise
				n.Last = last // the time was up: what came before tells more
			}
		}
		if !c.again(ctx, tries, err) {
			if err == errMisdirected { //nolint:errorlint // see request
				return err
			}
			return c.trace.failed(asClusterError(err))
		}
		last = err
	}
}

// request sends a request once.
func (p *endpoint) request(ctx context.Context, class Class, r kmsg.Request) (kmsg.Response, error) {
	l, err := p.get(ctx, class)
	if err != nil {
		return nil, err
	}
	defer p.release(l)
	return l.broker.Request(ctx, r)
}

// again reports, after a wait, whether a request that has failed so many times is to be tried again. Where the wait would outlast the deadline it says no at once:
// the error at hand tells more than that the time was up.
func (c *Cluster) again(ctx context.Context, tries int, err error) bool {
	if c.cfg.Cluster.NoResend || !resendable(err) || ctx.Err() != nil {
		return false
	}
	cfg := &c.cfg.Cluster
	// The first time at once: most often it is a connection that has ended while it was idle, or another node that is to be tried.
	if tries > 1 && !pause(ctx, backoff(tries-1, cfg.Backoff, cfg.MaxBackoff)) {
		return false
	}
	c.resent.Add(1)
	return true
}

// resendable reports whether a request that has failed may be sent again, and whether that makes sense.
func resendable(err error) bool {
	if r, ok := err.(*RefreshError); ok { //nolint:errorlint // the request itself has not been sent; what is inside are others
		return slices.ContainsFunc(r.Attempts, func(err error) bool { return !isFatal(err) })
	}
	var e *Error
	if errors.As(err, &e) && (!e.SafeToRetry() || e.Code == CodeInvalidArgument) {
		return false
	}
	var n *NotConnectedError
	if errors.As(err, &n) && n.end != nil { // the time was up
		return false
	}
	return !errors.Is(err, ErrQueueFull) && !errors.Is(err, errClusterClosed) && !errors.Is(err, errClusterDraining) && !isFatal(err)
}

// chooseNode chooses one node, and looks for it in fresh metadata where it is not known.
func (c *Cluster) chooseNode(id int32) chooser {
	asked := false
	return func(ctx context.Context) (*endpoint, error) {
		c.revalidate()
		n := c.nodes.Load().byID[id]
		if n == nil && !c.cfg.Cluster.Standalone && !asked {
			asked = true
			if err := c.refresh(ctx, "", time.Now()); err != nil {
				return nil, err
			}
			n = c.nodes.Load().byID[id]
		}
		switch {
		case n == nil && c.cfg.Cluster.Standalone:
			return nil, invalid("request", "", "node is %d, want 0 to %d, a place in the list of seeds", id, len(c.seeds)-1)
		case n == nil:
			asked = false // the next attempt asks again
			return nil, &Error{Op: "request", Code: CodeNoConnection, Err: &NodeError{id}, unsent: true}
		}
		return n.endpoint, nil
	}
}

// chooseAny chooses a node at random among those that are connected, then among the others, each once; then it begins anew.
func (c *Cluster) chooseAny() chooser {
	var tried map[*endpoint]bool
	return func(context.Context) (*endpoint, error) {
		c.revalidate()
		p := c.nodes.Load().pick(tried)
		if p == nil && len(tried) > 0 {
			clear(tried)
			p = c.nodes.Load().pick(tried)
		}
		if p == nil {
			return nil, &Error{Op: "request", Code: CodeNoConnection, Err: errNoNodes, unsent: true}
		}
		if tried == nil {
			tried = make(map[*endpoint]bool)
		}
		tried[p] = true
		return p, nil
	}
}

var errNoNodes = errors.New("no node of the cluster is known")

// pick gives an endpoint that is not in tried, at random: a connected one, or else one whose last attempt to connect has not failed, or else any; nil
// where there is none.
func (t *topology) pick(tried map[*endpoint]bool) *endpoint {
	n := len(t.ids)
	if n == 0 {
		return nil
	}
	var second, third *endpoint
	for i, first := 0, rand.N(n); i < n; i++ {
		p := t.byID[t.ids[(first+i)%n]].endpoint
		if tried[p] {
			continue
		}
		switch p.health() {
		case NodeConnected:
			return p
		case NodeBackingOff:
			third = p
		default:
			second = p
		}
	}
	if second != nil {
		return second
	}
	return third
}

// chooseController chooses the controller, and asks who that is where it is not known.
func (c *Cluster) chooseController() chooser {
	return func(ctx context.Context) (*endpoint, error) {
		t := c.nodes.Load()
		n := t.byID[t.controller]
		if n == nil || c.isOld() {
			if err := c.refresh(ctx, "", time.Now()); err != nil {
				return nil, err
			}
			t = c.nodes.Load()
			n = t.byID[t.controller]
		}
		if n == nil {
			return nil, &Error{Op: "request", Code: CodeNoConnection, Err: errNoController, unsent: true}
		}
		return n.endpoint, nil
	}
}

var errNoController = errors.New("the cluster names no controller")

// misdirected reports whether a response says that its broker is not the controller. It looks at responses to what is for the controller only: they
// are rare, and each has its code in another place.
func (c *Cluster) misdirected(r kmsg.Request, response kmsg.Response) bool {
	_, ok := r.(kmsg.AdminRequest)
	return ok && !c.cfg.Cluster.Standalone && onlyCode(response, codeNotController)
}

// onlyCode reports whether a response has the error code, in itself or in what its lists have, and nothing that says otherwise: a part of it may have been done.
func onlyCode(response kmsg.Response, code int16) bool {
	found, others := errorCodes(reflect.ValueOf(response), code, 3)
	return found > 0 && others == 0
}

// errorCodes counts the error codes in a response, so many levels deep: those that are code, and the others. No error says nothing where lists say more.
func errorCodes(v reflect.Value, code int16, depth int) (found, others int) {
	for v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			return 0, 0
		}
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct || depth == 0 {
		return 0, 0
	}
	lists := false
	for i := range v.NumField() {
		list := v.Field(i)
		if list.Kind() != reflect.Slice || list.Type().Elem().Kind() != reflect.Struct {
			continue
		}
		for j := range list.Len() {
			f, o := errorCodes(list.Index(j), code, depth-1)
			found, others = found+f, others+o
			lists = true
		}
	}
	if f := v.FieldByName("ErrorCode"); f.IsValid() && f.Kind() == reflect.Int16 {
		switch got := int16(f.Int()); {
		case got == code:
			found++
		case got != 0 || !lists:
			others++
		}
	}
	return found, others
}
