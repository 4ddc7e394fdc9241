package loop

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"reflect"
	"strings"
	"syscall"
)

// TLSError ends a connection whose records cannot be read, or whose peer has sent an alert.
type TLSError struct{ Err error }

// Error implements error.
func (e *TLSError) Error() string { return "TLS: " + trimTLS(e.Err) + hintFor(e.Err) }

// Unwrap gives the cause.
func (e *TLSError) Unwrap() error { return e.Err }

// TruncatedError ends a connection that its peer closed without the close_notify alert that TLS asks for: somebody in between may have cut it off.
// It matches io.ErrUnexpectedEOF.
type TruncatedError struct{}

// Error implements error.
func (*TruncatedError) Error() string {
	return "the peer closed the connection without TLS's close_notify: it, or somebody in between, has cut it off"
}

// Unwrap gives io.ErrUnexpectedEOF.
func (*TruncatedError) Unwrap() error { return io.ErrUnexpectedEOF }

// HandshakeError is a dial whose TLS handshake failed, with its likely cause.
type HandshakeError struct {
	ServerName string // the name that the certificate was checked against
	Err        error
}

// Error tells what failed and what to look at.
func (e *HandshakeError) Error() string {
	return fmt.Sprintf("TLS handshake as %q: %s%s", e.ServerName, trimTLS(e.Err), hintFor(e.Err))
}

// Unwrap gives the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

func trimTLS(err error) string { return strings.TrimPrefix(err.Error(), "tls: ") }

// hintFor is the likely cause of a TLS failure, with what to do, or nothing.
func hintFor(err error) string {
	var (
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		record    tls.RecordHeaderError
	)
	alert, alerted := alertOf(err)
	switch {
	case errors.As(err, &name):
		return ": the certificate is for another name: dial the advertised one, or set ServerName"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return ": check the certificate's dates and this machine's clock"
	case errors.As(err, &authority):
		return ": the certificate's authority is not known here: add it to RootCAs"
	case errors.As(err, &record):
		return ": the peer does not speak TLS: a plaintext port?"
	case alerted:
		return hintForAlert(alert)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return ": the peer hung up: a plaintext port, or one that wants a client certificate"
	default:
		return ""
	}
}

// alertOf is the alert that the peer has sent. crypto/tls gives it as a net.OpError around a number of a type of its own, which only reflection can read.
func alertOf(err error) (alert uint8, ok bool) {
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "remote error" || op.Err == nil {
		return 0, false
	}
	v := reflect.ValueOf(op.Err)
	if v.Kind() != reflect.Uint8 {
		return 0, false
	}
	return uint8(v.Uint()), true
}

// hintForAlert explains the alerts of RFC 8446 section 6 that a misconfiguration brings.
func hintForAlert(alert uint8) string {
	switch alert {
	case 40: // handshake_failure
		return ": no TLS version or cipher suite in common, or the peer wants a client certificate"
	case 70: // protocol_version
		return ": no TLS version in common"
	case 42, 43, 44, 45, 46, 48: // bad, unsupported, revoked, expired, unknown certificate, unknown_ca
		return ": the peer does not accept the client's certificate"
	case 112: // unrecognized_name
		return ": the peer does not know the name: set ServerName"
	case 116: // certificate_required
		return ": the peer wants a client certificate: set Certificates"
	default:
		return ""
	}
}
