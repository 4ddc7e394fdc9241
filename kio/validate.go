package kio

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"
	"unicode"

	"kafkaio/loop"
)

// Bounds of Config's fields that are not plain in the code. What the kernel would refuse is refused here, where the field can be named.
const (
	maxBytes          = 1<<31 - 1                      // what a size prefix can say, and the kernel's int
	maxKeepAliveTime  = 32767 * time.Second            // MAX_TCP_KEEPIDLE and MAX_TCP_KEEPINTVL of Linux, include/net/tcp.h
	maxKeepAliveCount = 127                            // MAX_TCP_KEEPCNT, same place
	maxUserTimeout    = (1<<31 - 1) * time.Millisecond // TCP_USER_TIMEOUT is an int of milliseconds, tcp(7)
	noDuration        = time.Duration(-1 << 63)        // the lower bound of a field that may be negative
	anyDuration       = time.Duration(1<<63 - 1)       // the upper bound of a field without one
)

// validate checks address and configuration, before anything is resolved or sent, and gives the address with its port, and what to connect to in its stead.
func validate(addr string, cfg *Config) (known, to string, refused *Error) {
	if err := cfg.validate(addr); err != nil {
		return addr, addr, err
	}
	return cfg.route(addr)
}

// validate checks the fields as the caller has set them, zeros included, which stand for the defaults.
func (c *Config) validate(addr string) *Error {
	const negativeRefused = "use 0 for the default"
	for _, f := range [...]struct {
		name     string
		value    time.Duration
		min, max time.Duration
		advice   string
	}{
		{"Timeout", c.Timeout, 0, anyDuration, negativeRefused},
		{"DialTimeout", c.DialTimeout, 0, anyDuration, negativeRefused},
		{"MaxAbandonedAge", c.MaxAbandonedAge, 0, anyDuration, negativeRefused},
		{"MaxStall", c.MaxStall, noDuration, anyDuration, "a negative value is for ever"},
		{"KeepAliveIdle", c.KeepAliveIdle, noDuration, maxKeepAliveTime, "a negative value turns keepalive off"},
		{"KeepAliveInterval", c.KeepAliveInterval, 0, maxKeepAliveTime, negativeRefused},
		{"UserTimeout", c.UserTimeout, noDuration, maxUserTimeout, "a negative value leaves it to the kernel"},
	} {
		if f.value < f.min {
			return invalid("dial", addr, "Config.%s is %v, want at least %v: %s", f.name, f.value, f.min, f.advice)
		}
		if f.value > f.max {
			return invalid("dial", addr, "Config.%s is %v, want at most %v: %s", f.name, f.value, f.max, f.advice)
		}
	}
	for _, f := range [...]struct {
		name  string
		value int
		max   int
	}{
		{"MaxFrameBytes", c.MaxFrameBytes, maxBytes},
		{"MaxRequestBytes", c.MaxRequestBytes, maxBytes},
		{"MaxInFlight", c.MaxInFlight, maxBytes},
		{"MaxPendingBytes", c.MaxPendingBytes, maxBytes},
		{"MaxAbandoned", c.MaxAbandoned, maxBytes},
		{"KeepAliveCount", c.KeepAliveCount, maxKeepAliveCount},
		{"ReadBufferBytes", c.ReadBufferBytes, maxBytes},
		{"WriteBufferBytes", c.WriteBufferBytes, maxBytes},
	} {
		if f.value < 0 || f.value > f.max {
			return invalid("dial", addr, "Config.%s is %d, want 0 to %d: use 0 for the default", f.name, f.value, f.max)
		}
	}
	if v := c.IPVersion; v != IPAny && v != IPv4 && v != IPv6 {
		return invalid("dial", addr, "Config.IPVersion is %d, want 4, 6, or 0 for both", int(v))
	}
	if len(c.ClientID) > maxClientIDBytes {
		return invalid("dial", addr, "Config.ClientID has %d bytes, want at most %d, what its length field can say", len(c.ClientID), maxClientIDBytes)
	}
	for _, f := range [...]struct{ name, value string }{
		{"ClientSoftwareName", c.ClientSoftwareName},
		{"ClientSoftwareVersion", c.ClientSoftwareVersion},
	} {
		if f.value != "" && !isSoftwareName(f.value) {
			return invalid("dial", addr, "Config.%s is %q, want letters, digits, dashes and dots with a letter or digit at both ends: brokers refuse anything else", f.name, f.value)
		}
	}
	for key, version := range c.MaxVersions {
		if key < 0 || version < 0 {
			return invalid("dial", addr, "Config.MaxVersions has version %d for API key %d, want both 0 or more", version, key)
		}
	}
	if c.Debug != nil && c.Debug.Level < 0 {
		return invalid("dial", addr, "Config.Debug.Level is %d, want 0 for nothing, 1 for events, 2 for messages as well", c.Debug.Level)
	}
	return c.checkSASL(addr)
}

// maxClientIDBytes is the longest client id: a nullable string with a 16-bit length (RequestHeader.json).
const maxClientIDBytes = 1<<15 - 1

// validateAddr checks an address and completes it with the default port.
func validateAddr(addr string, version IPVersion) (string, *Error) {
	return completeAddr(addr, version, strconv.Itoa(DefaultPort))
}

// completeAddr checks an address and completes it with a port. The host stays as it was given, but for an IPv4 address in IPv6
// notation (::ffff:192.0.2.1), which is IPv4 on the wire and counts as that.
func completeAddr(addr string, version IPVersion, defaultPort string) (string, *Error) {
	if path, ok := strings.CutPrefix(addr, loop.UnixPrefix); ok {
		if path == "" || strings.ContainsRune(path, 0) {
			return addr, invalid("dial", addr, "address names no Unix socket: put its path after %q", loop.UnixPrefix)
		}
		return addr, nil
	}
	host, port, problem := splitAddr(addr, defaultPort)
	if problem != "" {
		return addr, invalid("dial", addr, "address %s", problem)
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		if strings.Contains(host, ":") {
			return addr, invalid("dial", addr, "address has colons but is neither host:port nor an IPv6 address: give host:port, or [IPv6]:port")
		}
		return net.JoinHostPort(host, port), nil
	}
	isIPv4 := ip.Unmap().Is4()
	if version == IPv4 && !isIPv4 || version == IPv6 && isIPv4 {
		e := invalid("dial", addr, "%s is not an address of IP version %d (Config.IPVersion): give one of that version, or allow both with 0", host, int(version))
		e.Code = CodeIPVersion
		return addr, e
	}
	if ip.Is4In6() {
		host = ip.Unmap().String()
	}
	return net.JoinHostPort(host, port), nil
}

// splitAddr takes an address apart, or says in the second half of a sentence what is wrong with it. An IPv6 address without brackets has no
// port: 2001:db8::1:9092 is all address.
func splitAddr(addr, defaultPort string) (host, port, problem string) {
	const (
		blankHost = "has no host: give host:port"
		odd       = "has blanks or control characters in it: give host:port and nothing else"
	)
	switch {
	case strings.TrimSpace(addr) == "":
		return "", "", blankHost
	case strings.Contains(addr, "://"):
		return "", "", "is a URL: give host:port without scheme and path"
	case strings.Contains(addr, ","):
		return "", "", "is a list: give one host:port"
	}
	var hasPort bool
	switch rest, bracketed := strings.CutPrefix(addr, "["); {
	case bracketed:
		var closed bool
		if host, rest, closed = strings.Cut(rest, "]"); !closed {
			return "", "", "has an opening bracket and no closing one: give [IPv6]:port"
		}
		if strings.TrimSpace(host) == "" {
			return "", "", blankHost
		}
		if ip, err := netip.ParseAddr(host); err != nil || ip.Is4() {
			return "", "", "has something other than an IPv6 address in its brackets: leave the brackets out"
		}
		if port, hasPort = strings.CutPrefix(rest, ":"); !hasPort && rest != "" {
			return "", "", "goes on after its bracket: give [IPv6]:port"
		}
	case strings.Count(addr, ":") > 1:
		host = addr
	default:
		host, port, hasPort = strings.Cut(addr, ":")
	}
	switch {
	case strings.TrimSpace(host) == "":
		return "", "", blankHost
	case strings.ContainsFunc(host, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }):
		return "", "", odd
	case !hasPort:
		return host, defaultPort, ""
	}
	port, problem = checkPort(port)
	return host, port, problem
}

// checkPort gives the port in its plain form. Nothing wraps: 65536+9092 is refused, not taken for 9092.
func checkPort(port string) (plain, problem string) {
	n, err := strconv.ParseInt(port, 10, 64)
	switch {
	case port == "":
		return "", "ends in a colon: give a port from 1 to 65535, or leave the colon out"
	case errors.Is(err, strconv.ErrSyntax) || port[0] == '+':
		return "", "has " + strconv.Quote(port) + " for a port: give a number from 1 to 65535"
	case err != nil || n < 1 || n > 65535:
		return "", "has port " + port + ": give one from 1 to 65535"
	}
	return strconv.FormatInt(n, 10), ""
}
