package syscalls

import "time"

func setKeepAliveTimes(fd int, idle, interval time.Duration, count int) error {
	if idle != 0 || interval != 0 || count != 0 {
		return unsupported("keepalive times of one socket")
	}
	return nil
}
