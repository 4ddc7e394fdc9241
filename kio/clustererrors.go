package kio

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"time"

	"kafkaio/loop"
)

// NotConnectedError is the cause where a request found no connection to its node in time: nothing was sent.
type NotConnectedError struct {
	Last  error     // of the last attempt to connect; nil where none has ended
	Retry time.Time // when the next attempt may begin; zero where it may at any time
	end   error     // of the context, where that ended the wait
}

// Error tells what ended the wait, and what the last attempt met.
func (e *NotConnectedError) Error() string {
	var b strings.Builder
	b.WriteString("not connected")
	if e.end != nil {
		b.WriteString(" in time: " + e.end.Error())
	}
	if e.Last != nil {
		b.WriteString(", the last attempt failed: " + e.Last.Error())
	}
	if wait := time.Until(e.Retry); wait > 0 {
		fmt.Fprintf(&b, ", the next one may begin in %v", wait.Round(time.Millisecond))
	}
	return b.String()
}

// Unwrap gives the end of the context and the error of the last attempt, as far as there are any.
func (e *NotConnectedError) Unwrap() []error {
	var errs []error
	for _, err := range [...]error{e.end, e.Last} {
		if err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// NodeError is the cause where a Cluster knows no such node.
type NodeError struct{ Node int32 }

// Error names the node.
func (e *NodeError) Error() string {
	return fmt.Sprintf("node %d is not in the cluster's metadata: it is down, or never was there", e.Node)
}

// LeaderError is the cause where a partition has no leader that could be named. What it says of the topic is the last answer.
type LeaderError struct {
	Topic     string
	Partition int32
	Code      int16 // the protocol's error code, as kerr.ErrorForCode of franz-go takes it; 0 where the broker gives none
	end       error // of the context, where that ended the wait for a leader
}

// Error names partition and code, and what ended the wait.
func (e *LeaderError) Error() string {
	what := "the broker names none"
	if e.Code != 0 {
		what = "the broker answers " + brokerCode(e.Code)
	}
	text := fmt.Sprintf("no leader for partition %d of topic %q: %s", e.Partition, e.Topic, what)
	if e.end != nil {
		text += "; waited for one: " + e.end.Error()
	}
	return text
}

// Unwrap gives the end of the context, if that ended the wait.
func (e *LeaderError) Unwrap() error { return e.end }

// RefreshError is the cause where no broker told a Cluster of its nodes.
type RefreshError struct{ Attempts []error }

// Error lists the attempts.
func (e *RefreshError) Error() string {
	texts := make([]string, len(e.Attempts))
	for i, err := range e.Attempts {
		texts[i] = strings.TrimPrefix(err.Error(), "kio: ")
	}
	return fmt.Sprintf("none of %d brokers gave its metadata: %s", len(e.Attempts), strings.Join(texts, "; "))
}

// Unwrap gives the attempts' errors.
func (e *RefreshError) Unwrap() []error { return e.Attempts }

// ErrNodeLeft is the cause where a request waited for a connection to a node that has left the cluster or has another address now.
var ErrNodeLeft = errors.New("the node has left the cluster, or has moved")

// contextEnd is why ctx has ended.
func contextEnd(ctx context.Context) error { return loop.ContextError(ctx) }

// isFatal reports whether an attempt to connect failed for a reason that trying again soon does not mend, and may make worse: an account is locked after so
// many wrong passwords.
func isFatal(err error) bool {
	var (
		auth    *AuthError
		cert    *tls.CertificateVerificationError
		unknown x509.UnknownAuthorityError
		host    x509.HostnameError
		panicky *PanicError
	)
	var n *NotConnectedError
	if errors.As(err, &n) && n.Last != nil {
		err = n.Last // whose code counts, not that of the request which found no connection
	}
	var e *Error
	if errors.As(err, &e) && (e.Code == CodeInvalidArgument || e.Code == CodeIPVersion) {
		return true
	}
	return errors.As(err, &auth) || errors.As(err, &cert) || errors.As(err, &unknown) || errors.As(err, &host) || errors.As(err, &panicky) || errors.Is(err, loop.ErrStopped)
}
