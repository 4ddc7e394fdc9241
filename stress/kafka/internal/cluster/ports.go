package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
)

// Free ports are looked for below those that systems give to outgoing connections (32768 on Linux, 49152 elsewhere): while a node is down, one of
// those could be taken by anybody, or by a client that dials the port and happens to get it as its own, and so connects to itself.
const (
	lowestPort  = 20000
	highestPort = 32000
)

// freePorts finds n ports in a row on which nobody listens. first fixes the first of them; 0 looks for some.
func freePorts(n, first int) ([]string, error) {
	if first != 0 {
		if first < 1 || first+n-1 > 65535 {
			return nil, fmt.Errorf("first port %d: %d ports from there do not lie between 1 and 65535", first, n)
		}
		return tryPorts(n, first)
	}
	for range 100 {
		ports, err := tryPorts(n, lowestPort+rand.IntN(highestPort-lowestPort-n))
		if err == nil {
			return ports, nil
		}
	}
	return nil, errors.New("no free ports found")
}

func tryPorts(n, first int) ([]string, error) {
	ports := make([]string, n)
	for i := range ports {
		ports[i] = strconv.Itoa(first + i)
		ln, err := net.Listen("tcp", "127.0.0.1:"+ports[i])
		if err != nil {
			return nil, err
		}
		_ = ln.Close()
	}
	return ports, nil
}
