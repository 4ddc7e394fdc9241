package cluster

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	// readyLimit is how long nodes may take from their start until they answer: 4 s on an idle machine, 85 s where 25 others wanted each core. A node that
	// has ended is not waited for.
	readyLimit = 4 * time.Minute
	// probeLimit bounds one question to a node.
	probeLimit = 3 * time.Second
	// probeBytes is more than a node's answer to it can be.
	probeBytes = 1 << 20
)

// awaitReady waits until every node answers and knows all others.
func (s *State) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readyLimit)
	defer cancel()
	for i := range s.Nodes {
		n := &s.Nodes[i]
		for {
			known, err := n.Knows(ctx)
			if err == nil && known == len(s.Nodes) {
				break
			}
			if err == nil {
				err = fmt.Errorf("it knows %d of %d nodes", known, len(s.Nodes))
			}
			if s.Owned() && !n.Running() {
				return fmt.Errorf("node %d ended; its log %s ends with\n%s", n.ID, n.Log(), n.LastLines())
			}
			if pause(ctx) != nil {
				return fmt.Errorf("node %d is not ready: %w; its log %s ends with\n%s", n.ID, err, n.Log(), n.LastLines())
			}
		}
	}
	return nil
}

// Knows asks the node over its PLAINTEXT listener how many nodes it knows.
func (n *Node) Knows(ctx context.Context) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, probeLimit)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", n.Listeners[Plaintext])
	if err != nil {
		return 0, err
	}
	defer func() { _ = c.Close() }()
	deadline, _ := ctx.Deadline()
	if err := c.SetDeadline(deadline); err != nil {
		return 0, err
	}
	r := kmsg.NewPtrMetadataRequest()
	r.SetVersion(8) // the last whose headers have no tags
	r.Topics = []kmsg.MetadataRequestTopic{}
	frame := kmsg.NewRequestFormatter(kmsg.FormatterClientID("probe")).AppendRequest(nil, r, 1)
	if _, err := c.Write(frame); err != nil {
		return 0, err
	}
	var head [8]byte // size and correlation id
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, err
	}
	size := binary.BigEndian.Uint32(head[:])
	if size < 4 || size > probeBytes {
		return 0, fmt.Errorf("an answer of %d bytes", size)
	}
	body := make([]byte, size-4)
	if _, err := io.ReadFull(c, body); err != nil {
		return 0, err
	}
	m := kmsg.NewPtrMetadataResponse()
	m.SetVersion(r.Version)
	if err := m.ReadFrom(body); err != nil {
		return 0, err
	}
	if m.ControllerID < 0 {
		return 0, fmt.Errorf("there is no controller yet")
	}
	return len(m.Brokers), nil
}
