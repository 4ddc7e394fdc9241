package loop

import (
	"context"
	"errors"
)

// ContextError is the end of a context as the errors of this package tell it, nil while ctx has not ended: a deadline matches os.ErrDeadlineExceeded and
// context.DeadlineExceeded, a cancellation context.Canceled, and both the cause that was given.
func ContextError(ctx context.Context) error { return contextError(ctx) }

// contextError is the end of a context as callers see it: errTimeout for a deadline, context.Canceled, and beside either the cause that was given for it.
func contextError(ctx context.Context) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	cause := context.Cause(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errTimeout
	}
	if cause == ctx.Err() { //nolint:errorlint // identity: was a cause given at all?
		return err
	}
	return &causedError{err, cause}
}

// causedError is a context's end together with the cause that its owner gave.
type causedError struct{ end, cause error }

func (e *causedError) Error() string   { return e.end.Error() + ": " + e.cause.Error() }
func (e *causedError) Unwrap() []error { return []error{e.end, e.cause} }
func (e *causedError) Timeout() bool   { return e.end == errTimeout } //nolint:errorlint // errTimeout is never wrapped here
