package loop_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"kafkaio/internal/hostile"
	"kafkaio/loop"
)

// teller is an owner that passes on the ends it is told.
type teller chan error

func (t teller) WrapError(err error) error { return err }
func (t teller) OnEnd(cause error)         { t <- cause }

func TestOnEndIsToldOnceOfTheCause(t *testing.T) {
	eachDriver(t, func(t *testing.T, e *loop.Engine) {
		for _, tt := range []struct {
			name   string
			script hostile.Script
			end    func(c *loop.Conn)
			want   error
		}{
			{"the peer's FIN while idle", hostile.CloseOnAccept, func(*loop.Conn) {}, io.EOF},
			{"Close", hostile.Stall, func(c *loop.Conn) { _ = c.Close() }, loop.ErrClosed},
			{"Shutdown", hostile.Stall, func(c *loop.Conn) { _ = c.Shutdown(context.Background()) }, loop.ErrClosed},
		} {
			t.Run(tt.name, func(t *testing.T) {
				told := make(chan error, 2)
				c, err := e.Dial(t.Context(), hostileBroker(t, tt.script).Addr(), loop.DialConfig{Owner: teller(told)})
				if err != nil {
					t.Fatal(err)
				}
				tt.end(c)
				within(t, patience, "OnEnd", func() {
					if got := <-told; !errors.Is(got, tt.want) {
						t.Errorf("OnEnd is told %v, want %v", got, tt.want)
					}
				})
				_ = c.Close()
				if len(told) != 0 {
					t.Error("OnEnd is told twice")
				}
			})
		}
	})
}
