package kio

import (
	"context"
	"net"
	"sync"
	"time"

	"kafkaio/loop"
)

// errClusterClosed is the cause of requests to a Cluster after Close, and errClusterDraining after Shutdown. Both match net.ErrClosed.
var (
	errClusterClosed   error = &closedError{"the cluster is closed"}
	errClusterDraining error = &closedError{"the cluster is shutting down and takes no new requests"}
)

// closedError matches net.ErrClosed.
type closedError struct{ text string }

func (e *closedError) Error() string { return e.text }
func (e *closedError) Unwrap() error { return net.ErrClosed }

// tasks are goroutines that Close waits for. Unlike a WaitGroup it may be started from anywhere, and refuses what comes too late.
type tasks struct {
	mu   sync.Mutex
	n    int
	over chan struct{} // made by wait; closed when nothing runs any more
	shut bool
}

// start runs f on a goroutine of its own, and reports whether it does: not after wait.
func (t *tasks) start(f func()) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.shut {
		return false
	}
	t.n++
	go func() { // ends with f; wait waits for it
		defer t.done()
		f()
	}()
	return true
}

func (t *tasks) done() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.n--; t.n == 0 && t.shut {
		close(t.over)
	}
}

// wait refuses new tasks and returns when those that run have ended.
func (t *tasks) wait() {
	t.mu.Lock()
	if !t.shut {
		t.shut = true
		t.over = make(chan struct{})
		if t.n == 0 {
			close(t.over)
		}
	}
	t.mu.Unlock()
	<-t.over
}

// refusal is why the Cluster takes no requests, nil while it does.
func (c *Cluster) refusal() error {
	switch clusterState(c.state.Load()) {
	case clusterOpen:
		return nil
	case clusterDraining:
		return errClusterDraining
	default:
		return errClusterClosed
	}
}

// isOpen reports whether it does.
func (c *Cluster) isOpen() bool { return c.refusal() == nil }

// Shutdown drains: it refuses new requests at once, also those that wait for a connection, lets those in flight be answered, and closes. When ctx ends first, what is
// left is cut off and an error returned that matches the context's. It returns when everything is gone.
func (c *Cluster) Shutdown(ctx context.Context) error {
	if c.engine.loops.OnLoop() {
		return &Error{Op: "shutdown", Code: CodeInvalidArgument, Err: loop.ErrOnLoop}
	}
	c.mu.Lock()
	first := c.isOpen()
	if first {
		c.state.Store(uint32(clusterDraining))
	}
	c.mu.Unlock()
	err := c.drain(ctx, first)
	_ = c.Close()
	return err
}

// drain ends connections when they have answered, or waits for who does so already. Close cuts it short, and waits for it.
func (c *Cluster) drain(ctx context.Context, first bool) error {
	if !first {
		select {
		case <-c.emptied:
		case <-c.ctx.Done():
		case <-ctx.Done():
			return &Error{Op: "shutdown", Code: CodeNoConnection, Err: contextEnd(ctx)}
		}
		return nil
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer context.AfterFunc(c.ctx, func() { cancel(errClusterClosed) })()
	var failed error
	draining := c.work.start(func() {
		defer close(c.emptied)
		links := c.leaveAll(errClusterDraining)
		var once sync.Once
		inParallel(len(links), func(i int) {
			if err := links[i].broker.Shutdown(ctx); err != nil {
				once.Do(func() { failed = err })
			}
		})
	})
	if draining { // or Close was faster
		<-c.emptied
	}
	return failed
}

// Close cuts: requests in flight and those that wait for a connection end with an error that matches net.ErrClosed. It is idempotent, returns nil, and
// returns when everything is gone. Only in a callback of Submit, where it would wait for itself, it changes nothing and returns an error.
func (c *Cluster) Close() error {
	if c.engine.loops.OnLoop() {
		return &Error{Op: "close cluster", Code: CodeInvalidArgument, Err: loop.ErrOnLoop}
	}
	c.mu.Lock()
	if clusterState(c.state.Load()) == clusterClosed {
		c.mu.Unlock()
		<-c.drained // by who was first
		return nil
	}
	c.state.Store(uint32(clusterClosed))
	if c.reaper != nil {
		c.reaper.Stop()
	}
	c.mu.Unlock()
	c.cancel()
	links := c.leaveAll(errClusterClosed)
	inParallel(len(links), func(i int) { _ = links[i].broker.Close() })
	c.attempts.Wait()
	c.work.wait()
	close(c.drained)
	return nil
}

// leaveAll ends all endpoints, and gives their connections.
func (c *Cluster) leaveAll(why error) []*link {
	c.mu.Lock()
	endpoints := make([]*endpoint, 0, len(c.endpoints))
	for _, p := range c.endpoints {
		endpoints = append(endpoints, p)
	}
	c.mu.Unlock()
	var links []*link
	for _, p := range endpoints {
		links = append(links, p.leave(why)...)
	}
	return links
}

// maxEnders bounds how many connections are being ended at a time.
const maxEnders = 64

// inParallel calls f for 0 to n-1, several at a time, and returns when all have returned.
func inParallel(n int, f func(i int)) {
	next := make(chan int)
	var workers sync.WaitGroup
	for range min(n, maxEnders) {
		workers.Go(func() { // ends with next; waited for below
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
}

// part ends the connections of endpoints that nobody refers to any more: they are drained for as long as requests on them may take.
func (c *Cluster) part(links []*link) {
	for _, l := range links {
		end := func() {
			ctx, cancel := context.WithTimeout(c.ctx, partPatience)
			defer cancel()
			_ = l.broker.Shutdown(ctx)
		}
		if !c.work.start(end) { // the Cluster is closed, and this cuts
			end()
		}
	}
}

// partPatience is for how long requests to a node that has left may still be answered: the default of Kafka's own clients for a request (request.timeout.ms).
const partPatience = 30 * time.Second

// closeLink closes a connection that its endpoint has let go of. Any goroutine, a loop's included.
func (c *Cluster) closeLink(l *link) {
	if !c.work.start(func() { _ = l.broker.Close() }) {
		l.broker.halt() // the Cluster is closed, and the connection ended
	}
}
