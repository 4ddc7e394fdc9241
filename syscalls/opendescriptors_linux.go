package syscalls

import "golang.org/x/sys/unix"

// OpenDescriptors returns how many descriptors the process has open, the one
// of its own look not counted. Other goroutines may open and close meanwhile.
// It needs /proc.
func OpenDescriptors() (int, error) {
	// Not os.Open: that may start the runtime's poller, and the poller's
	// descriptors would be counted from then on.
	dir, err := unix.Open("/proc/self/fd", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = Close(dir) }()
	buf := make([]byte, 8<<10)
	var names []string
	total := 0
	for {
		n, err := unix.ReadDirent(dir, buf)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, err
		}
		if n <= 0 {
			return total - 1, nil
		}
		names = names[:0]
		var count int
		_, count, names = unix.ParseDirent(buf[:n], -1, names)
		total += count
	}
}
