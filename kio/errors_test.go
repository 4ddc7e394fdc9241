package kio_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"kafkaio/frame"
	"kafkaio/internal/hostile"
	"kafkaio/kio"
	"kafkaio/loop"
)

// A list of every error that the package makes, with what a caller may ask of it.
func TestErrors(t *testing.T) {
	type facts struct {
		code    kio.Code
		is      []error
		as      any // a pointer to a variable for errors.As
		timeout bool
		safe    bool // SafeToRetry
		text    string
	}
	conn := func(script hostile.Script, call func(t *testing.T, c *kio.Conn) error) func(*testing.T, kio.Config) error {
		return func(t *testing.T, cfg kio.Config) error { return call(t, dialScript(t, cfg, script)) }
	}
	broker := func(script hostile.Script, call func(t *testing.T, b *kio.Broker) error) func(*testing.T, kio.Config) error {
		return func(t *testing.T, cfg kio.Config) error {
			cfg.MaxInFlight, cfg.RefuseWhenFull = 2, true
			cfg.MaxAbandoned, cfg.OpenRaw = 1, true
			b, err := kio.DialBroker(t.Context(), hostile.Listen(t, script).Addr(), cfg)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = b.Close() })
			return call(t, b)
		}
	}
	ask := func(b *kio.Broker, timeout time.Duration) error {
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		_, err := b.RoundTrip(ctx, request(3, 9, "body"))
		return err
	}

	for _, tt := range []struct {
		name  string
		cause func(t *testing.T, cfg kio.Config) error
		want  facts
	}{
		{
			"an argument out of its bounds",
			conn(hostile.Stall, func(_ *testing.T, c *kio.Conn) error { _, err := c.Send(nil, 0); return err }),
			facts{code: kio.CodeInvalidArgument, safe: true, text: "invalid argument (-1000): length of the message is 0, want at least 1"},
		},
		{
			"host and IP version",
			func(t *testing.T, cfg kio.Config) error {
				cfg.IPVersion = kio.IPv6
				_, err := kio.Dial(t.Context(), "127.0.0.1", cfg)
				return err
			},
			facts{code: kio.CodeIPVersion, safe: true, text: "host name and IP version do not fit (-1017): 127.0.0.1 is not an address of IP version 6"},
		},
		{
			"nobody listens",
			func(t *testing.T, cfg kio.Config) error {
				_, err := kio.Dial(t.Context(), hostile.Refused(t), cfg)
				return err
			},
			facts{code: kio.CodeCannotConnect, is: []error{syscall.ECONNREFUSED}, safe: true, text: "cannot connect to broker (-1004)"},
		},
		{
			"a timeout of Receive",
			conn(hostile.Stall, func(_ *testing.T, c *kio.Conn) error { _, err := c.Receive(4, short); return err }),
			facts{code: kio.CodeCannotReceive, is: []error{os.ErrDeadlineExceeded, context.DeadlineExceeded}, timeout: true, text: "cannot receive (-1003): deadline exceeded after 0 of 4 bytes"},
		},
		{
			"the peer's end",
			conn(on(ends("")), func(t *testing.T, c *kio.Conn) error { knock(t, c); _, err := c.Receive(4, 0); return err }),
			facts{code: kio.CodeNoConnection, is: []error{io.EOF}, text: "no connection (-1018): EOF after 0 of 4 bytes"},
		},
		{
			"the peer's end in a message",
			conn(on(ends("abc")), func(t *testing.T, c *kio.Conn) error { knock(t, c); _, err := c.Receive(4, 0); return err }),
			facts{code: kio.CodeCannotReceive, is: []error{io.ErrUnexpectedEOF}, text: "cannot receive (-1003): unexpected EOF after 3 of 4 bytes"},
		},
		{
			"reset",
			conn(on(cut), func(t *testing.T, c *kio.Conn) error { knock(t, c); _, err := c.Receive(4, 0); return err }),
			facts{code: kio.CodeCannotReceive, is: []error{syscall.ECONNRESET}, text: "cannot receive (-1003): "},
		},
		{
			"a message given up in its middle",
			conn(hostile.Silence, func(_ *testing.T, c *kio.Conn) error { _, err := c.Send(big, moment); return err }),
			facts{code: kio.CodeCannotSend, is: []error{kio.ErrPoisoned, os.ErrDeadlineExceeded}, timeout: true, text: "cannot send (-1001): deadline exceeded in the middle of a message, which makes the connection unusable after "},
		},
		{
			"after that",
			conn(hostile.Silence, func(_ *testing.T, c *kio.Conn) error {
				_, _ = c.Send(big, moment)
				_, err := c.Send([]byte{1}, 0)
				return err
			}),
			facts{code: kio.CodeNoConnection, is: []error{kio.ErrPoisoned, net.ErrClosed}, safe: true, text: "no connection (-1018): connection is closed: a message was given up in its middle"},
		},
		{
			"closed",
			conn(hostile.Stall, func(_ *testing.T, c *kio.Conn) error { _ = c.Close(); _, err := c.Send([]byte{1}, 0); return err }),
			facts{code: kio.CodeNoConnection, is: []error{net.ErrClosed}, safe: true, text: "no connection (-1018): connection is closed after 0 of 1 bytes"},
		},
		{
			"the engine closed",
			func(t *testing.T, cfg kio.Config) error {
				c := dialScript(t, cfg, hostile.Stall)
				_ = cfg.Engine.Close()
				_, err := c.Send([]byte{1}, 0)
				return err
			},
			facts{code: kio.CodeNoConnection, is: []error{net.ErrClosed}, safe: true, text: "engine is stopped"},
		},
		{
			"debug grammar",
			func(*testing.T, kio.Config) error { _, err := kio.ParseDebug("x"); return err },
			facts{code: kio.CodeInvalidArgument, safe: true, text: `kio: parse debug: invalid argument (-1000): entry "x" of "x" is neither LEVEL nor Module:LEVEL`},
		},

		{
			"a request too short",
			broker(hostile.Stall, func(t *testing.T, b *kio.Broker) error {
				_, err := b.RoundTrip(t.Context(), make([]byte, 7))
				return err
			}),
			facts{code: kio.CodeInvalidArgument, safe: true, text: "request has 7 bytes, want at least the 8 of a request header"},
		},
		{
			"no answer in time",
			broker(hostile.Stall, func(_ *testing.T, b *kio.Broker) error { return ask(b, moment) }),
			facts{code: kio.CodeNoAcknowledgement, is: []error{os.ErrDeadlineExceeded, context.DeadlineExceeded}, timeout: true, text: "no acknowledgement for sent request (-1002): deadline exceeded"},
		},
		{
			"canceled",
			func(t *testing.T, cfg kio.Config) error {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				return broker(func(p *hostile.Peer) {
					_, _ = p.ReadRequest()
					cancel()
				}, func(_ *testing.T, b *kio.Broker) error {
					_, err := b.RoundTrip(ctx, request(3, 9, "body"))
					return err
				})(t, cfg)
			},
			facts{code: kio.CodeNoAcknowledgement, is: []error{context.Canceled}, text: "context canceled"},
		},
		{
			"ErrQueueFull",
			broker(hostile.Stall, func(t *testing.T, b *kio.Broker) error {
				for range 2 {
					if err := b.Submit(request(3, 9, ""), time.Time{}, func([]byte, error) {}); err != nil {
						t.Fatal(err)
					}
				}
				return ask(b, patience)
			}),
			facts{code: kio.CodeCannotSend, is: []error{kio.ErrQueueFull}, safe: true, text: "cannot send (-1001): too many requests"},
		},
		{
			"ErrDraining",
			broker(hostile.Stall, func(t *testing.T, b *kio.Broker) error {
				if err := b.Submit(request(3, 9, ""), time.Time{}, func([]byte, error) {}); err != nil {
					t.Fatal(err)
				}
				draining, cancel := context.WithCancel(t.Context())
				drained := make(chan error, 1)
				go func() { drained <- b.Shutdown(draining) }()
				eventually(t, "draining has begun", func() bool { return b.Err() != nil })
				err := ask(b, patience)
				cancel()
				if err := <-drained; !errors.Is(err, context.Canceled) {
					t.Errorf("Shutdown: %v, want its context's end", err)
				}
				return err
			}),
			facts{code: kio.CodeNoConnection, is: []error{kio.ErrDraining, net.ErrClosed}, safe: true, text: "shutting down"},
		},
		{
			"ErrUnanswered",
			broker(hostile.Stall, func(t *testing.T, b *kio.Broker) error {
				for range 2 {
					_ = ask(b, moment)
				}
				<-b.Done()
				return ask(b, patience)
			}),
			facts{code: kio.CodeNoConnection, is: []error{kio.ErrUnanswered}, safe: true, text: "the peer has stopped answering"},
		},
		{
			"ErrStalled",
			func(t *testing.T, cfg kio.Config) error {
				cfg.MaxStall, cfg.OpenRaw = 5*short, true
				b, err := kio.DialBroker(t.Context(), hostile.Listen(t, hostile.Silence).Addr(), cfg)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = b.Close() })
				_, err = b.RoundTrip(t.Context(), append(request(3, 9, ""), big...))
				return err
			},
			facts{code: kio.CodeNoAcknowledgement, is: []error{kio.ErrStalled}, text: "the peer has stopped reading: a write has made no progress"},
		},
		{
			"an engine's budget out of its bounds",
			func(*testing.T, kio.Config) error {
				_, err := kio.NewEngine(kio.EngineConfig{MaxSendingBytes: kio.MaxBudgetBytes + 1})
				return err
			},
			facts{code: kio.CodeInvalidArgument, safe: true, text: "kio: start engine: invalid argument (-1000): EngineConfig.MaxSendingBytes is 1152921504606846977, want at most 1152921504606846976"},
		},
		{
			"ErrPoisoned",
			broker(hostile.Silence, func(t *testing.T, b *kio.Broker) error {
				r := append(request(3, 9, ""), big...)
				ctx, cancel := context.WithTimeout(t.Context(), moment)
				defer cancel()
				_, _ = b.RoundTrip(ctx, r)
				<-b.Done()
				return ask(b, patience)
			}),
			facts{code: kio.CodeNoConnection, is: []error{kio.ErrPoisoned}, safe: true, text: "only part of it sent"},
		},
		{
			"PanicError",
			broker(hostile.Answer(nil), func(t *testing.T, b *kio.Broker) error {
				if err := b.Submit(request(3, 9, ""), time.Time{}, func([]byte, error) { panic("oops") }); err != nil {
					t.Fatal(err)
				}
				<-b.Done()
				return b.Err()
			}),
			facts{code: kio.CodeNoConnection, as: new(*kio.PanicError), safe: true, text: "callback panicked: oops"},
		},
		{
			"an answer to another request",
			broker(hostile.WrongCorrelation(nil), func(_ *testing.T, b *kio.Broker) error { return ask(b, patience) }),
			facts{code: kio.CodeCorrelation, as: new(*loop.CorrelationError), text: "mismatched correlation id (-1009): answer with correlation id "},
		},
		{
			"an answer cut short",
			broker(hostile.CutFrame(3, nil), func(_ *testing.T, b *kio.Broker) error { return ask(b, patience) }),
			facts{code: kio.CodeNoAcknowledgement, as: new(*loop.CutError), is: []error{io.ErrUnexpectedEOF}, text: "closed the connection after"},
		},
		{
			"no broker at all",
			broker(hostile.Seq(hostile.Swallow(1), hostile.Banner([]byte(hostile.HTTP))), func(_ *testing.T, b *kio.Broker) error { return ask(b, patience) }),
			facts{code: kio.CodeNoAcknowledgement, as: new(*frame.SizeError), text: "HTTP"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			err := tt.cause(t, config(t))
			e := withCode(t, err, tt.want.code)
			wantIs(t, err, tt.want.is...)
			if tt.want.as != nil && !errors.As(err, tt.want.as) {
				t.Errorf("%v has no %T within", err, tt.want.as)
			}
			if e.Timeout() != tt.want.timeout || e.SafeToRetry() != tt.want.safe {
				t.Errorf("%v: timeout %t, safe to retry %t; want %t, %t", err, e.Timeout(), e.SafeToRetry(), tt.want.timeout, tt.want.safe)
			}
			if !strings.Contains(err.Error(), tt.want.text) || !strings.HasPrefix(err.Error(), "kio: ") {
				t.Errorf("text %q; want it to begin with kio: and to have %q in it", err, tt.want.text)
			}
			var netError net.Error
			if !errors.As(err, &netError) || netError.Timeout() != tt.want.timeout {
				t.Errorf("%v is no net.Error of timeout %t", err, tt.want.timeout)
			}
		})
	}
}

func TestErrorText(t *testing.T) {
	for _, tt := range []struct {
		err  kio.Error
		want string
	}{
		{kio.Error{Op: "dial", Code: kio.CodeCannotConnect, Err: io.EOF}, "kio: dial: cannot connect to broker (-1004): EOF"},
		{kio.Error{Op: "send", Addr: "h:1", Code: kio.CodeCannotSend, Bytes: 3, Want: 9, Elapsed: 1500 * time.Nanosecond, Err: io.EOF}, "kio: send h:1: cannot send (-1001): EOF after 3 of 9 bytes, 2µs elapsed"},
		{kio.Error{Op: "dial", Addr: "h\n1", Code: kio.CodeNotReceived, Err: io.EOF}, `kio: dial "h\n1": response message not received (-1016): EOF`},
		{kio.Error{Op: "x", Code: -1, Err: io.EOF}, "kio: x: unknown error (-1): EOF"},
	} {
		if got := tt.err.Error(); got != tt.want {
			t.Errorf("text %q, want %q", got, tt.want)
		}
		if tt.err.Unwrap() != io.EOF { //nolint:errorlint // identity: the cause itself
			t.Errorf("Unwrap of %v gives %v, want io.EOF", &tt.err, tt.err.Unwrap())
		}
	}
}
