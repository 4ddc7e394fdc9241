package kio

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	"kafkaio/loop"
)

// AddrMap makes a table into a Config.MapAddr. A key with a port stands for that address; one without a port, for its host at every port that has no key of its
// own. A value without a port keeps that of the broker, and an empty one exempts its key. Hosts are compared without regard to case. What is in no key is not changed.
//
// The table is copied. An error, of type *Error with CodeInvalidArgument, names the key or the value that is no address.
func AddrMap(table map[string]string) (func(addr string) string, error) {
	m := make(addrMap, len(table))
	for key, value := range table {
		from, refused := completeAddr(key, IPAny, everyPort)
		if refused == nil && value != "" {
			if _, refused = completeAddr(value, IPAny, everyPort); refused != nil {
				refused.Err = fmt.Errorf("what the table has for %s: %w", plain(key), refused.Err)
			}
		}
		if refused != nil {
			refused.Op = "map addresses"
			return nil, refused
		}
		from = foldHost(from)
		if twin, taken := m[from]; taken && twin != value {
			return nil, invalid("map addresses", key, "the table has the address twice, in different letters or notations, with %q and %q", twin, value)
		}
		m[from] = value
	}
	return m.lookUp, nil
}

// everyPort stands in an addrMap for any port: no address has it.
const everyPort = "0"

// addrMap is the table of AddrMap, with the keys as dials have them. Immutable.
type addrMap map[string]string

func (m addrMap) lookUp(addr string) string {
	addr = foldHost(addr)
	if to, ok := m[addr]; ok {
		return to
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil || strings.HasPrefix(addr, loop.UnixPrefix) {
		return ""
	}
	return m[net.JoinHostPort(host, everyPort)]
}

// foldHost makes host names comparable; paths are left alone.
func foldHost(addr string) string {
	if strings.HasPrefix(addr, loop.UnixPrefix) {
		return addr
	}
	return strings.ToLower(addr)
}

// route gives addr as the broker is known by, with its port, and what to connect to in its stead, which mostly is the same. Config.IPVersion restricts
// what is connected to.
func (c *Config) route(addr string) (known, to string, refused *Error) {
	if c.MapAddr == nil {
		known, refused = validateAddr(addr, c.IPVersion)
		return known, known, refused
	}
	if known, refused = validateAddr(addr, IPAny); refused != nil {
		return known, known, refused
	}
	switch to = c.MapAddr(known); to {
	case "", known:
		known, refused = validateAddr(addr, c.IPVersion)
		return known, known, refused
	}
	mapped := to
	if to, refused = completeAddr(mapped, c.IPVersion, portOf(known)); refused != nil {
		refused.Addr, refused.MappedTo = known, mapped
		refused.Err = fmt.Errorf("what Config.MapAddr gives is refused: %w", refused.Err)
	}
	return known, to, refused
}

// portOf is the port of an address that has been completed; a Unix socket has none, so that it is the default one.
func portOf(addr string) string {
	if _, port, err := net.SplitHostPort(addr); err == nil && !strings.HasPrefix(addr, loop.UnixPrefix) {
		return port
	}
	return strconv.Itoa(DefaultPort)
}

// mappedTo is what an error tells of the way: nothing where the address led to itself.
func mappedTo(addr, to string) string {
	if to == addr {
		return ""
	}
	return to
}

// dialConfig is what the loop needs to know.
func (d *dial) dialConfig() loop.DialConfig {
	c := d.cfg.dialConfig()
	c.ConnectTo = d.to
	return c
}

// withRoute adds to the arguments of an event what is connected to, where that is another address.
func (d *dial) withRoute(args ...any) []any {
	if to := mappedTo(d.addr, d.to); to != "" {
		args = append(args, "to", to)
	}
	return args
}
