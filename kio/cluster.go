package kio

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Cluster holds connections to many brokers: all of one Kafka cluster, or, with ClusterConfig.Standalone, any that its owner names. It connects when a request
// needs it or keeps connections open, and connects again, gently, when they have ended. Safe for concurrent use by any number of goroutines.
//
// A Cluster has no goroutine of its own, and a broker without a connection costs a few hundred bytes: thousands of both are meant. One that is not used any
// more must be closed.
type Cluster struct {
	// Immutable after OpenCluster.
	cfg          Config // with its defaults
	trace        *tracer
	engine       *Engine
	seeds        []string        // addresses with their ports
	dialInterval time.Duration   // between two attempts at a node
	ctx          context.Context // ends with Close
	cancel       context.CancelFunc

	attempts sync.WaitGroup // attempts to connect that are queued or under way
	work     tasks          // refreshes, and the ends of connections

	born time.Time

	// Lock order: mu, endpoint.mu, dialGate.mu.
	mu        sync.Mutex
	endpoints map[string]*endpoint // see endpointLocked
	meta      metadata
	parting   []*endpoint  // have left, and may still have connections
	past      ClusterStats // counts of those that have none any more
	reaper    *time.Timer  // nil while no connection is open

	// Atomic. The first three are written with mu held.
	nodes   atomic.Pointer[topology]
	state   atomic.Uint32 // a clusterState
	fresh   atomic.Int64  // until when the nodes are believed, in nanoseconds since born; 0: not any more
	resent  atomic.Uint64
	reaped  atomic.Uint64
	emptied chan struct{} // closed when Shutdown has drained all connections
	drained chan struct{} // closed when Close has ended
}

// clusterState is the life of a Cluster.
//
//	open ──> draining ──> closed
//	  └────────────────────┘
type clusterState uint32

const (
	clusterOpen     clusterState = iota
	clusterDraining              // Shutdown: no new requests
	clusterClosed
)

// OpenCluster finds the brokers of a cluster by some of their addresses, the seeds: it asks them in random order until one tells of all. ctx and
// Config.DialTimeout, for each seed, bound it. Errors are of type *Error, with CodeCannotConnect and a *RefreshError that has each seed's.
func OpenCluster(ctx context.Context, seeds []string, cfg Config) (*Cluster, error) {
	c, err := newCluster(seeds, cfg)
	if err != nil {
		return nil, err
	}
	if c.cfg.Cluster.Standalone {
		c.standalone()
		return c, nil
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.DialTimeout+c.cfg.Timeout)
	defer cancel()
	if err := c.refresh(ctx, "", time.Now()); err != nil {
		_ = c.Close()
		return nil, &Error{Op: "open cluster", Code: CodeCannotConnect, Err: err, unsent: true}
	}
	return c, nil
}

// newCluster validates, and connects to nobody.
func newCluster(seeds []string, cfg Config) (*Cluster, error) {
	trace := newTracer(&cfg)
	fail := func(err *Error) (*Cluster, error) { return nil, trace.failed(err) }
	if len(seeds) == 0 {
		return fail(invalid("open cluster", "", "no seeds: give the host:port of one broker at least"))
	}
	if err := cfg.Cluster.validate(); err != nil {
		return fail(err)
	}
	if cfg.OpenRaw && !cfg.Cluster.Standalone {
		return fail(invalid("open cluster", "", "Config.OpenRaw leaves out ApiVersions, without which Metadata cannot be asked for: leave it out, or set Config.Cluster.Standalone"))
	}
	if cfg.Engine == nil {
		var err error
		if cfg.Engine, err = sharedEngine(); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	c := &Cluster{engine: cfg.Engine, trace: trace, born: time.Now(), ctx: ctx, cancel: cancel, endpoints: make(map[string]*endpoint), emptied: make(chan struct{}), drained: make(chan struct{})}
	known := make(map[string]bool, len(seeds))
	for _, seed := range seeds {
		addr, _, err := validate(seed, &cfg)
		if err == nil && known[addr] && cfg.Cluster.Standalone {
			err = invalid("open cluster", addr, "address stands twice in the list: each node needs one of its own")
		}
		if err != nil {
			cancel()
			return fail(err)
		}
		if !known[addr] {
			known[addr] = true
			c.seeds = append(c.seeds, addr)
		}
	}
	c.cfg = cfg.withDefaults()
	c.cfg.Cluster = c.cfg.Cluster.withDefaults()
	c.dialInterval = spacing(c.cfg.Cluster.DialRate)
	c.nodes.Store(&topology{controller: -1})
	return c, nil
}

// dialBroker opens a connection for an endpoint. ended is told of its end, on its loop.
func (c *Cluster) dialBroker(p *endpoint, ended func(b *Broker)) (*Broker, error) {
	cfg := c.cfg
	if p.to != "" {
		cfg.MapAddr = func(string) string { return p.to }
	}
	d, err := prepare(p.addr, cfg)
	if err != nil {
		return nil, err
	}
	d.ended = ended
	return d.broker(c.ctx)
}

// Request sends a request to a node that may answer it: to the controller what is for the controller (kmsg.AdminRequest), all else to any node, preferably
// one that is connected. What is for a partition's leader or a group's coordinator needs RequestTo. Version, deadline and errors are as with Broker.Request.
func (c *Cluster) Request(ctx context.Context, r kmsg.Request) (kmsg.Response, error) {
	if _, ok := r.(kmsg.AdminRequest); ok && !c.cfg.Cluster.Standalone {
		return c.request(ctx, r, c.chooseController())
	}
	return c.request(ctx, r, c.chooseAny())
}

var _ kmsg.Requestor = (*Cluster)(nil)

// RequestTo sends a request to a node. An id that is not known is looked for in fresh metadata first. Answers that say that a partition has another leader make the next
// Leader ask anew; they are the caller's all the same. Version, deadline and errors are as with Broker.Request.
func (c *Cluster) RequestTo(ctx context.Context, node int32, r kmsg.Request) (kmsg.Response, error) {
	return c.request(ctx, r, c.chooseNode(node))
}

// To is a node as a kmsg.Requestor, so that every generated RequestWith works. It costs nothing and need not be kept.
func (c *Cluster) To(node int32) kmsg.Requestor { return nodeRequestor{c, node} }

type nodeRequestor struct {
	cluster *Cluster
	node    int32
}

// Request implements kmsg.Requestor.
func (n nodeRequestor) Request(ctx context.Context, r kmsg.Request) (kmsg.Response, error) {
	return n.cluster.RequestTo(ctx, n.node, r)
}

// Broker gives an open connection of a class to a node, connecting if it must, for RoundTrip, Submit and SendOneWay. It stays the Cluster's: it must not be
// closed, and may be closed by the Cluster when it has not been used for Config.Cluster.IdleTimeout, so ask for it each time. With several
// connections of the class they take turns.
func (c *Cluster) Broker(ctx context.Context, node int32, class Class) (*Broker, error) {
	if class >= numClasses {
		return nil, invalid("request", "", "class is %d, want one of the constants", class)
	}
	var b *Broker
	err := c.try(ctx, c.chooseNode(node), func(ctx context.Context, p *endpoint) error {
		l, err := p.get(ctx, class)
		if err != nil {
			return err
		}
		p.release(l)
		b = l.broker
		return nil
	})
	return b, err
}

// bound puts the deadline of a call on its context.
func (c *Cluster) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.cfg.Timeout)
}

// Node is a broker of a Cluster.
type Node struct {
	ID   int32
	Addr string // host:port as advertised, or as given to OpenCluster
	Rack string // empty where the broker names none
}

// Nodes are the nodes as last heard of, by id. The slice is the caller's.
func (c *Cluster) Nodes() []Node {
	t := c.nodes.Load()
	nodes := make([]Node, 0, len(t.ids))
	for _, id := range t.ids {
		nodes = append(nodes, t.byID[id].Node)
	}
	return nodes
}

// ID is the cluster's id as last heard of; empty where there is none.
func (c *Cluster) ID() string { return c.nodes.Load().clusterID }

// Controller is the id of the node that takes requests for the controller, as last heard of; -1 where none is known.
func (c *Cluster) Controller() int32 { return c.nodes.Load().controller }

// Refresh asks for the nodes anew, and returns when the answer is in: for who knows that something has changed.
func (c *Cluster) Refresh(ctx context.Context) error {
	if c.cfg.Cluster.Standalone {
		return nil
	}
	ctx, cancel := c.bound(ctx)
	defer cancel()
	if err := c.refresh(ctx, "", time.Now()); err != nil {
		return asClusterError(err)
	}
	return nil
}

// standalone makes each seed a node.
func (c *Cluster) standalone() {
	t := &topology{controller: -1, byID: make(map[int32]*nodeRef, len(c.seeds))}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, addr := range c.seeds {
		id := int32(i)
		t.ids = append(t.ids, id)
		t.byID[id] = &nodeRef{Node{ID: id, Addr: addr}, c.endpointLocked(addr, "")}
	}
	c.nodes.Store(t)
	if n := c.cfg.Cluster.HoldOpen; n > 0 {
		for _, id := range t.ids {
			t.byID[id].endpoint.setHold(n)
		}
	}
}

// endpointLocked is the endpoint of an address, or of one of a name's addresses.
func (c *Cluster) endpointLocked(addr, to string) *endpoint {
	key := addr
	if to != "" {
		key += " at " + to
	}
	p := c.endpoints[key]
	if p == nil {
		p = &endpoint{cluster: c, addr: addr, to: to}
		c.endpoints[key] = p
	}
	return p
}

// topology is what is known of the nodes. Immutable.
type topology struct {
	clusterID  string
	controller int32 // -1: not known
	ids        []int32
	byID       map[int32]*nodeRef
}

// equal reports whether two tell the same.
func (t *topology) equal(other *topology) bool {
	return t.controller == other.controller && maps.EqualFunc(t.byID, other.byID, func(a, b *nodeRef) bool { return a.Node == b.Node })
}

type nodeRef struct {
	Node
	endpoint *endpoint
}

// asClusterError makes an *Error of what a request has met. What a *RefreshError has inside are errors of other requests, which say nothing of this one.
func asClusterError(err error) *Error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // see above
		return e
	}
	code := CodeNoConnection
	var refresh *RefreshError
	if errors.As(err, &refresh) {
		code = CodeCannotConnect
	}
	return &Error{Op: "request", Code: code, Err: err, unsent: true}
}

// joinHostPort makes an address of what metadata has; a port that is none is found out when it is dialled.
func joinHostPort(host string, port int32) string {
	return net.JoinHostPort(host, strconv.FormatInt(int64(port), 10))
}

// sortedIDs are the keys of a map, in order.
func sortedIDs(byID map[int32]*nodeRef) []int32 {
	ids := make([]int32, 0, len(byID))
	for id := range byID {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}
