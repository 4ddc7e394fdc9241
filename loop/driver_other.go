//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package loop

import (
	"errors"
	"fmt"
)

// autoDriver is what DriverAuto stands for on this platform.
const autoDriver = DriverGnet

// startDriver fails: direct writes need the descriptors of a Unix.
func startDriver(Driver, int) (driver, error) {
	return nil, fmt.Errorf("event loops need Linux, macOS or a BSD: %w", errors.ErrUnsupported)
}
