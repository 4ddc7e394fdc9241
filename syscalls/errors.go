package syscalls

import (
	"errors"
	"fmt"
	"runtime"
)

// unsupported returns the error of a call that this platform cannot serve.
// It matches [errors.ErrUnsupported] and names what is missing and where.
func unsupported(what string) error {
	return fmt.Errorf("%s on %s: %w", what, runtime.GOOS, errors.ErrUnsupported)
}
