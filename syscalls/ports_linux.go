package syscalls

import (
	"fmt"
	"os"
)

const portRangeFile = "/proc/sys/net/ipv4/ip_local_port_range"

// LocalPortRange returns the first and last port that the kernel picks from
// for outgoing connections, which bounds how many can lead to one address.
func LocalPortRange() (lo, hi int, err error) {
	text, err := os.ReadFile(portRangeFile)
	if err != nil {
		return 0, 0, err
	}
	return parsePortRange(string(text))
}

func parsePortRange(text string) (lo, hi int, err error) {
	if _, err := fmt.Sscan(text, &lo, &hi); err != nil {
		return 0, 0, fmt.Errorf("%s holds %q: %w", portRangeFile, text, err)
	}
	return lo, hi, nil
}
