// Package kafkago does the work by kafka-go.
package kafkago

import (
	"context"
	"net"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol/heartbeat"

	"kafkaio/stress/peers/internal/peer"
	"kafkaio/stress/peers/internal/work"
)

// Open makes a Transport, which has one request in flight on a connection and
// opens as many connections as there are callers at a time. Idle connections
// are [kafka.Conn]s, as its Transport opens none ahead.
func Open(ctx context.Context, e peer.Env) (*peer.Client, error) {
	if e.Work.Brokers > 0 {
		return openBrokers(ctx, e)
	}
	if e.Work.Idle {
		return openIdle(ctx, e)
	}
	addr, err := net.ResolveTCPAddr("tcp", e.Addr(0))
	if err != nil {
		return nil, err
	}
	t := &kafka.Transport{
		ClientID: work.ClientID, DialTimeout: peer.DialTimeout, IdleTimeout: time.Hour, MetadataTTL: time.Hour,
	}
	c := &peer.Client{Keep: t}
	for range e.Work.Callers {
		c.Callers = append(c.Callers, call(t, addr))
	}
	return c, c.Callers[0]()
}

func call(t *kafka.Transport, addr net.Addr) func() error {
	req := &heartbeat.Request{GroupID: work.Group, GenerationID: 1, MemberID: work.MemberID}
	background := context.Background()
	return func() error {
		_, err := t.RoundTrip(background, addr, req)
		return err
	}
}

func openIdle(ctx context.Context, e peer.Env) (*peer.Client, error) {
	d := &kafka.Dialer{ClientID: work.ClientID, Timeout: peer.DialTimeout}
	conns := make([]*kafka.Conn, e.Work.Conns)
	err := e.OpenAll(len(conns), func(i int) (err error) {
		if conns[i], err = d.DialContext(ctx, "tcp", e.Addr(i)); err != nil {
			return err
		}
		_, err = conns[i].ApiVersions()
		return err
	})
	return &peer.Client{Keep: conns}, err
}
