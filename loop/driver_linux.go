package loop

import "errors"

// autoDriver is what DriverAuto stands for on this platform: see the table in DESIGN.md.
const autoDriver = DriverEpoll

func startDriver(kind Driver, loops int) (driver, error) {
	switch kind {
	case DriverEpoll:
		return startEpoll(loops)
	case DriverGnet:
		return startGnet(loops)
	default:
		return nil, errors.ErrUnsupported
	}
}
