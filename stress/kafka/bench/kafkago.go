package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	kafka "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
)

// openKafkaGo makes a Client over a Transport, which has one request in flight on a connection and opens as many connections as there are callers at a
// time. Its Transport answers Metadata from a cache, so that is asked over a Conn a caller. As kafkaGoConn the callers share as many Conns as the row has.
func openKafkaGo(ctx context.Context, j job) (*client, error) {
	var login sasl.Mechanism
	if j.user != "" {
		login = plain.Mechanism{Username: j.user, Password: j.pass}
	}
	switch {
	case j.peer == kafkaGoConn:
		return openKafkaGoConns(ctx, j, login, j.shape.conns)
	case j.api == apiMetadata:
		return openKafkaGoConns(ctx, j, login, j.shape.callers)
	}
	t := &kafka.Transport{ClientID: clientID, DialTimeout: timeout, IdleTimeout: time.Hour, MetadataTTL: time.Hour, TLS: j.tls, SASL: login}
	cl := &kafka.Client{Addr: hostPort(j.addr), Timeout: timeout, Transport: t}
	c := &client{keep: cl}
	for range j.shape.callers {
		c.callers = append(c.callers, kafkaGoCaller(cl, j))
	}
	return c, c.callers[0]()
}

// hostPort is an address that is not resolved yet, so that there is a name to verify.
type hostPort string

func (hostPort) Network() string  { return "tcp" }
func (a hostPort) String() string { return string(a) }

var _ net.Addr = hostPort("")

// openKafkaGoConns makes n Conns, which callers may share: each writes its request and waits for the turn of its answer.
func openKafkaGoConns(ctx context.Context, j job, login sasl.Mechanism, n int) (*client, error) {
	d := &kafka.Dialer{ClientID: clientID, Timeout: timeout, TLS: j.tls, SASLMechanism: login}
	conns := make([]*kafka.Conn, n)
	err := openEach(n, func(i int) (err error) {
		if conns[i], err = d.DialLeader(ctx, "tcp", j.addr, j.topic.Name, 0); err != nil {
			return err
		}
		if err := conns[i].SetRequiredAcks(int(kafka.RequireOne)); err != nil {
			return err
		}
		return kafkaGoConnCaller(conns[i], j)()
	})
	c := &client{keep: conns}
	for i := range j.shape.callers {
		c.callers = append(c.callers, kafkaGoConnCaller(conns[i%n], j))
	}
	return c, err
}

func kafkaGoConnCaller(conn *kafka.Conn, j job) func() error {
	switch j.api {
	case apiVersions:
		return func() error {
			keys, err := conn.ApiVersions()
			if err == nil && len(keys) == 0 {
				return errAnswer
			}
			return err
		}
	case apiMetadata:
		return func() error {
			partitions, err := conn.ReadPartitions(j.topic.Name)
			if err == nil && len(partitions) != 1 {
				return errAnswer
			}
			return err
		}
	case apiProduce:
		return func() error {
			_, err := conn.WriteMessages(kafka.Message{Value: record.Value})
			return err
		}
	default:
		return func() error { return fmt.Errorf("%w: callers cannot share a Conn for %s", errAnswer, j.api) }
	}
}

func kafkaGoCaller(cl *kafka.Client, j job) func() error {
	background := context.Background()
	name := j.topic.Name
	switch j.api {
	case apiVersions:
		r := &kafka.ApiVersionsRequest{}
		return func() error {
			resp, err := cl.ApiVersions(background, r)
			if err == nil && len(resp.ApiKeys) == 0 {
				return errAnswer
			}
			return errors.Join(err, errorOf(resp))
		}
	case apiProduce:
		return func() error {
			resp, err := cl.Produce(background, &kafka.ProduceRequest{
				Topic: name, RequiredAcks: kafka.RequireOne, Records: kafka.NewRecordReader(kafka.Record{Value: kafka.NewBytes(record.Value)}),
			})
			if err == nil {
				err = resp.Error
			}
			return err
		}
	default:
		return func() error { return kafkaGoFetch(cl, name) }
	}
}

func errorOf(r *kafka.ApiVersionsResponse) error {
	if r == nil {
		return nil
	}
	return r.Error
}

func kafkaGoFetch(cl *kafka.Client, name string) error {
	resp, err := cl.Fetch(context.Background(), &kafka.FetchRequest{Topic: name, MinBytes: 1, MaxBytes: fetchBytes, MaxWait: 500 * time.Millisecond})
	if err != nil {
		return err
	}
	if resp.Error != nil {
		return resp.Error
	}
	n := 0
	for {
		r, err := resp.Records.ReadRecord()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if r.Value != nil {
			if _, err := kafka.ReadAll(r.Value); err != nil {
				return err
			}
		}
		n++
	}
	if n == 0 {
		return errAnswer
	}
	return nil
}
