package kio

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// metadata is what a Cluster knows, and how it asks. Guarded by Cluster.mu.
type metadata struct {
	fetched   time.Time // when the refresh began that told of the nodes
	doubted   time.Time // when somebody has last seen that they have changed, or may have
	topics    map[string]*topicLeaders
	flight    *flight             // the refresh that is under way
	wanted    map[string]struct{} // topics for the next one
	ended     time.Time           // of the last one
	failures  int                 // in a row
	suspected bool                // the next one is for a node that could not be reached
	vain      int                 // how many of those in a row told nothing new
	refreshes uint64
	failed    uint64
}

// topicLeaders are the leaders of a topic's partitions.
type topicLeaders struct {
	leaders []int32 // by partition; -1: none
	codes   []int16 // of each partition
	code    int16   // of the topic
	id      [16]byte
	began   time.Time // of the refresh that told it
	used    time.Time
	stale   bool
}

// flight is one refresh, which all who need one share.
type flight struct {
	topics map[string]struct{}
	began  time.Time     // when it asks; zero while it waits for its time
	done   chan struct{} // closed at its end
	err    error         // valid then
}

// minRefreshInterval is how soon after a refresh the next one may begin: metadata moves no faster from broker to broker (guessed).
const minRefreshInterval = 100 * time.Millisecond

// isOld reports whether the nodes are to be asked for anew.
func (c *Cluster) isOld() bool { return int64(time.Since(c.born)) >= c.fresh.Load() }

// distrust makes the nodes be asked for anew when they are needed next.
func (c *Cluster) distrust() {
	c.mu.Lock()
	c.distrustLocked()
	c.mu.Unlock()
}

func (c *Cluster) distrustLocked() {
	c.meta.doubted = time.Now()
	c.fresh.Store(0)
}

// suspect is told that an attempt to connect to a node has failed: it may have moved. Where connections are held open, nobody may come and ask, so that it
// is found out now.
func (c *Cluster) suspect(err error) {
	if c.cfg.Cluster.Standalone || isFatal(err) {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.meta.credibleLocked(c.cfg.Cluster.MaxBackoff) {
		return // there will be more attempts, and suspicions, for as long as the node is wanted
	}
	c.meta.suspected = true
	c.distrustLocked()
	if c.cfg.Cluster.HoldOpen > 0 {
		c.startLocked()
	}
}

// credibleLocked reports whether a node that cannot be reached is a reason to ask for the nodes. It is less and less of one where asking has told nothing new: nodes that are down
// for hours would else have every client ask ten times a second.
func (m *metadata) credibleLocked(most time.Duration) bool {
	since := time.Since(m.ended)
	if since >= 2*max(most, minRefreshInterval) {
		m.vain = 0
	}
	return since >= min(minRefreshInterval<<min(m.vain, 16), max(most, minRefreshInterval)) || m.vain == 0
}

// revalidate asks for the nodes in the background if they are old. Meanwhile those that are known have to do.
func (c *Cluster) revalidate() {
	if c.cfg.Cluster.Standalone || !c.isOld() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.startLocked()
}

// startLocked begins a refresh unless one is under way, or the Cluster is not open any more.
func (c *Cluster) startLocked() {
	if c.meta.flight != nil || !c.isOpen() {
		return
	}
	f := &flight{topics: c.meta.wanted, done: make(chan struct{})}
	if f.topics == nil {
		f.topics = make(map[string]struct{})
	}
	c.meta.wanted = nil
	if c.work.start(func() { c.fly(f) }) {
		c.meta.flight = f
	}
}

// refresh returns when a refresh has succeeded that began no earlier than since and asked for topic, unless that is empty.
func (c *Cluster) refresh(ctx context.Context, topic string, since time.Time) error {
	for {
		c.mu.Lock()
		if err := c.refusal(); err != nil {
			c.mu.Unlock()
			return err
		}
		if topic == "" && !c.meta.fetched.Before(since) && !c.meta.fetched.IsZero() {
			c.mu.Unlock()
			return nil
		}
		if t := c.meta.topics[topic]; topic != "" && t != nil && !t.began.Before(since) {
			c.mu.Unlock()
			return nil
		}
		if topic != "" {
			if c.meta.flight != nil && c.meta.flight.began.IsZero() {
				c.meta.flight.topics[topic] = struct{}{} // it has not asked yet
			} else if c.meta.flight == nil {
				if c.meta.wanted == nil {
					c.meta.wanted = make(map[string]struct{})
				}
				c.meta.wanted[topic] = struct{}{}
			}
		}
		c.startLocked()
		f := c.meta.flight
		c.mu.Unlock()
		if f == nil {
			return errClusterClosed
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return &Error{Op: "request", Code: CodeNoConnection, Err: &NotConnectedError{end: contextEnd(ctx)}, unsent: true}
		}
		if f.err != nil {
			return f.err
		}
	}
}

// fly is a refresh. startLocked starts it; the time it may take, or Close, ends it; Close waits for it.
func (c *Cluster) fly(f *flight) {
	c.mu.Lock()
	cfg := &c.cfg.Cluster
	wait := time.Until(c.meta.ended.Add(minRefreshInterval))
	if n := c.meta.failures; n > 0 {
		wait = time.Until(c.meta.ended.Add(backoff(n, cfg.Backoff, cfg.MaxBackoff)))
	}
	c.mu.Unlock()
	if wait > 0 {
		pause(c.ctx, wait)
	}

	c.mu.Lock()
	f.began = time.Now()
	topics := make([]string, 0, len(f.topics))
	for t := range f.topics {
		topics = append(topics, t)
	}
	c.mu.Unlock()
	ctx, cancel := context.WithTimeout(c.ctx, c.cfg.DialTimeout+c.cfg.Timeout)
	answer, err := c.ask(ctx, topics)
	cancel()
	c.land(f, answer, err)
}

// land ends a refresh, and tells all who wait for it.
func (c *Cluster) land(f *flight, answer *kmsg.MetadataResponse, err error) {
	c.mu.Lock()
	m := &c.meta
	m.flight = nil
	m.ended = time.Now()
	var left []*link
	switch refusal := c.refusal(); {
	case refusal != nil: // also of an answer: its nodes would be connected to, and nobody would end that
		f.err = refusal
	case err != nil:
		m.failures++
		m.failed++
		f.err = err
	default:
		m.failures = 0
		m.refreshes++
		before := c.nodes.Load()
		left = c.applyLocked(f, answer)
		switch {
		case !before.equal(c.nodes.Load()):
			m.vain = 0
		case m.suspected:
			m.vain++
		}
		m.suspected = false
	}
	c.mu.Unlock()
	close(f.done)
	c.part(left)
}

// ask asks those who may know, the connected ones first, the next one whenever one has failed or takes its time, until one has answered.
func (c *Cluster) ask(ctx context.Context, topics []string) (*kmsg.MetadataResponse, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	candidates := c.candidates(ctx)
	type result struct {
		answer *kmsg.MetadataResponse
		err    error
	}
	results := make(chan result, len(candidates))
	next := time.NewTimer(0)
	defer next.Stop()
	patience := min(c.cfg.Timeout, c.cfg.DialTimeout/time.Duration(max(len(candidates), 1))) // each gets its turn
	var failed []error
	for begun := 0; len(failed) < len(candidates); {
		select {
		case <-next.C:
			if begun < len(candidates) {
				p := candidates[begun]
				begun++
				asking := c.work.start(func() { // ends with ctx at the latest; what it finds then interests nobody
					answer, err := p.metadata(ctx, topics)
					results <- result{answer, err}
				})
				if !asking {
					return nil, errClusterClosed
				}
				next.Reset(patience)
			}
		case r := <-results:
			if r.err == nil {
				return r.answer, nil
			}
			failed = append(failed, r.err)
			next.Reset(0)
		}
	}
	return nil, &RefreshError{failed}
}

// maxCandidates is how many nodes a refresh asks before it comes to the seeds (guessed: where so many are down, the seeds know as much).
const maxCandidates = 8

// candidates are those whom a refresh asks, in that order: nodes, and where none is connected, the seeds.
func (c *Cluster) candidates(ctx context.Context) []*endpoint {
	t := c.nodes.Load()
	tried := make(map[*endpoint]bool)
	var list []*endpoint
	for len(list) < maxCandidates {
		p := t.pick(tried)
		if p == nil {
			break
		}
		tried[p] = true
		list = append(list, p)
	}
	if len(list) > 0 && list[0].health() == NodeConnected {
		return list
	}
	seeds := c.seedEndpoints(ctx)
	for _, i := range rand.Perm(len(seeds)) {
		if p := seeds[i]; !tried[p] {
			list = append(list, p)
		}
	}
	return list
}

// metadata asks one broker.
func (p *endpoint) metadata(ctx context.Context, topics []string) (*kmsg.MetadataResponse, error) {
	r := kmsg.NewPtrMetadataRequest()
	r.AllowAutoTopicCreation = false
	r.Topics = []kmsg.MetadataRequestTopic{} // none, where nil is all
	for _, topic := range topics {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(topic)
		r.Topics = append(r.Topics, t)
	}
	response, err := p.request(ctx, ClassShort, r)
	if err != nil {
		var version *VersionError
		if errors.As(err, &version) && len(topics) == 0 {
			return p.describe(ctx)
		}
		return nil, err
	}
	answer := response.(*kmsg.MetadataResponse)
	switch {
	case answer.ErrorCode != 0:
		return nil, &Error{Op: "request", Addr: p.addr, Code: CodeNotReceived, Err: &answerError{answer.ErrorCode}}
	case len(answer.Brokers) == 0: // a broker that has just started
		return nil, &Error{Op: "request", Addr: p.addr, Code: CodeNotReceived, Err: errNoBrokers}
	}
	return answer, nil
}

var errNoBrokers = errors.New("the broker knows no brokers yet")

// describe is metadata for listeners that have only DescribeCluster, as those of controllers do (KIP-919).
func (p *endpoint) describe(ctx context.Context) (*kmsg.MetadataResponse, error) {
	r := kmsg.NewPtrDescribeClusterRequest()
	r.EndpointType = 2 // controllers (DescribeClusterRequest.json)
	response, err := p.request(ctx, ClassShort, r)
	if err != nil {
		return nil, err
	}
	d := response.(*kmsg.DescribeClusterResponse)
	if d.ErrorCode != 0 {
		return nil, &Error{Op: "request", Addr: p.addr, Code: CodeNotReceived, Err: &answerError{d.ErrorCode}}
	}
	answer := kmsg.NewPtrMetadataResponse()
	answer.ClusterID, answer.ControllerID = &d.ClusterID, d.ControllerID
	for _, b := range d.Brokers {
		n := kmsg.NewMetadataResponseBroker()
		n.NodeID, n.Host, n.Port, n.Rack = b.NodeID, b.Host, b.Port, b.Rack
		answer.Brokers = append(answer.Brokers, n)
	}
	if len(answer.Brokers) == 0 {
		return nil, &Error{Op: "request", Addr: p.addr, Code: CodeNotReceived, Err: errNoBrokers}
	}
	return answer, nil
}

// applyLocked takes over what a broker has told, ends the endpoints that are nobody's any more, and gives their connections.
func (c *Cluster) applyLocked(f *flight, answer *kmsg.MetadataResponse) (left []*link) {
	c.meta.fetched = f.began
	if !c.meta.doubted.After(f.began) { // or the answer may be older than the doubt
		asked := f.began.Sub(c.born)
		c.fresh.Store(int64(asked + min(c.cfg.Cluster.MetadataMaxAge, math.MaxInt64-asked)))
	}
	t := &topology{controller: answer.ControllerID, byID: make(map[int32]*nodeRef, len(answer.Brokers))}
	if answer.ClusterID != nil {
		t.clusterID = *answer.ClusterID
	}
	needed := make(map[*endpoint]bool, len(answer.Brokers))
	for _, b := range answer.Brokers {
		n := Node{ID: b.NodeID, Addr: joinHostPort(b.Host, b.Port)}
		if b.Rack != nil {
			n.Rack = *b.Rack
		}
		p := c.endpointLocked(n.Addr, "")
		t.byID[n.ID] = &nodeRef{n, p}
	}
	for _, n := range t.byID { // of two with one id the last one counts, and nothing is held open to the other
		needed[n.endpoint] = true
	}
	t.ids = sortedIDs(t.byID)
	c.nodes.Store(t)
	for key, p := range c.endpoints {
		if needed[p] {
			p.setHold(c.cfg.Cluster.HoldOpen)
			continue
		}
		delete(c.endpoints, key)
		left = append(left, p.leave(ErrNodeLeft)...)
		c.parting = append(c.parting, p)
	}
	c.settlePartingLocked()
	c.applyTopicsLocked(f, answer)
	return left
}

// applyTopicsLocked takes over the leaders of the topics that were asked for, and forgets those that nobody has asked for in a long time.
func (c *Cluster) applyTopicsLocked(f *flight, answer *kmsg.MetadataResponse) {
	if c.meta.topics == nil {
		c.meta.topics = make(map[string]*topicLeaders)
	}
	for name, t := range c.meta.topics {
		if f.began.Sub(t.used)/2 > c.cfg.Cluster.MetadataMaxAge {
			delete(c.meta.topics, name)
		}
	}
	for topic := range f.topics { // of which the answer may say nothing: who waits is to learn that
		c.meta.topics[topic] = &topicLeaders{began: f.began, used: f.began}
	}
	for i := range answer.Topics {
		a := &answer.Topics[i]
		if a.Topic == nil {
			continue
		}
		if _, asked := f.topics[*a.Topic]; !asked {
			continue
		}
		t := &topicLeaders{code: a.ErrorCode, id: a.TopicID, began: f.began, used: f.began}
		for _, p := range a.Partitions {
			if p.Partition < 0 || int(p.Partition) >= len(a.Partitions) {
				continue // they are numbered from 0 without gaps
			}
			if t.leaders == nil {
				t.leaders = make([]int32, len(a.Partitions))
				t.codes = make([]int16, len(a.Partitions))
				for j := range t.leaders {
					t.leaders[j] = -1
				}
			}
			t.leaders[p.Partition], t.codes[p.Partition] = p.Leader, p.ErrorCode
		}
		c.meta.topics[*a.Topic] = t
	}
}
