//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package loop

import "errors"

// autoDriver is what DriverAuto stands for on this platform.
const autoDriver = DriverGnet

func startDriver(kind Driver, loops int) (driver, error) {
	if kind != DriverGnet {
		return nil, errors.ErrUnsupported
	}
	return startGnet(loops)
}
