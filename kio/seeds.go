package kio

import (
	"context"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"sync"

	"kafkaio/loop"
)

// seedEndpoints are the endpoints of the seeds, one for each address of a name: behind one name there may be many brokers, or one that is gone and another that
// is not. Names are looked up anew each time. Nil once the Cluster takes no requests.
func (c *Cluster) seedEndpoints(ctx context.Context) []*endpoint {
	ways := make([][]string, len(c.seeds))
	var lookups sync.WaitGroup
	for i, addr := range c.seeds {
		lookups.Go(func() { ways[i] = c.ways(ctx, addr) }) // ends with ctx at the latest; waited for below
	}
	lookups.Wait()

	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.isOpen() {
		return nil
	}
	var seeds []*endpoint
	current := make(map[*endpoint]bool)
	for i, addr := range c.seeds {
		for _, to := range ways[i] {
			p := c.endpointLocked(addr, to)
			seeds = append(seeds, p)
			current[p] = true
		}
	}
	for key, p := range c.endpoints { // what a name does not lead to any more
		if p.to != "" && !current[p] {
			delete(c.endpoints, key)
			for _, l := range p.leave(ErrNodeLeft) {
				c.closeLink(l)
			}
		}
	}
	return seeds
}

// ways are the addresses to connect to for a seed: "" where it is one, or where that is somebody else's to find out.
func (c *Cluster) ways(ctx context.Context, addr string) []string {
	itself := []string{""}
	_, to, refused := c.cfg.route(addr)
	if refused != nil || c.cfg.Dialer != nil || strings.HasPrefix(to, loop.UnixPrefix) {
		return itself
	}
	host, port, err := net.SplitHostPort(to)
	if err != nil {
		return itself
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return itself
	}
	resolver := c.cfg.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	network := "ip"
	if v := c.cfg.IPVersion; v != IPAny {
		network += strconv.Itoa(int(v))
	}
	ctx, cancel := context.WithTimeout(ctx, c.cfg.Timeout)
	defer cancel()
	ips, err := resolver.LookupNetIP(ctx, network, host)
	if err != nil || len(ips) < 2 {
		return itself // the attempt to connect will say what is wrong
	}
	ways := make([]string, len(ips))
	for i, ip := range ips {
		ways[i] = net.JoinHostPort(ip.Unmap().String(), port)
	}
	return ways
}
