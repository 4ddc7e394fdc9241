package limits

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Kind names a limit.
type Kind string

// The limits.
const (
	KindDescriptors Kind = "descriptors"
	KindPorts       Kind = "local ports"
)

// Error says that a limit is too small.
type Error struct {
	Kind   Kind
	Need   int
	Have   int
	remedy string
}

// Error is a sentence with the remedy.
func (e *Error) Error() string {
	return fmt.Sprintf("%s %s are needed and this machine allows %s: %s", group(e.Need), e.Kind, group(e.Have), e.remedy)
}

// Demand is what a run takes.
type Demand struct {
	Connections int
	PerBroker   int  // the most connections to one broker; 0 where that is not known yet
	OwnBrokers  bool // the other ends are descriptors of this process too
	Reserve     int  // descriptors beside connections
}

func (d Demand) ends() int {
	if d.OwnBrokers {
		return 2
	}
	return 1
}

// Descriptors is how many the demand takes.
func (d Demand) Descriptors() int { return d.Connections*d.ends() + d.Reserve }

// Check raises the soft limit of descriptors as far as it may, and returns an [*Error] for the first limit that is too small.
func Check(d Demand) error {
	if have, known := raiseDescriptors(); known {
		if err := d.checkDescriptors(have); err != nil {
			return err
		}
	}
	if have, known := localPorts(); known {
		return d.checkPorts(have)
	}
	return nil
}

func (d Demand) checkDescriptors(have int) error {
	if d.Descriptors() <= have {
		return nil
	}
	fit := max((have-d.Reserve)/d.ends(), 0)
	return &Error{KindDescriptors, d.Descriptors(), have, fmt.Sprintf(
		"use --connections %d or fewer, or raise the limit of open files (ulimit -Hn, LimitNOFILE= of systemd, --ulimit nofile= of docker)", fit)}
}

func (d Demand) checkPorts(have int) error {
	if d.PerBroker <= have {
		return nil
	}
	return &Error{KindPorts, d.PerBroker, have, fmt.Sprintf(
		"each connection to one broker takes one, so use at most %d connections for each broker, or widen the range (sysctl -w net.ipv4.ip_local_port_range=\"1024 65535\")", have)}
}

// portRange reads the text of Linux's ip_local_port_range: the first and the last port.
func portRange(text string) (n int, ok bool) {
	fields := strings.Fields(text)
	if len(fields) != 2 {
		return 0, false
	}
	first, err1 := strconv.Atoi(fields[0])
	last, err2 := strconv.Atoi(fields[1])
	return last - first + 1, err1 == nil && err2 == nil && first <= last
}

// localPorts is how many ports the system gives to outgoing connections, where it tells.
func localPorts() (n int, known bool) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, false
	}
	return portRange(string(text))
}

// group writes a number with commas between thousands.
func group(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
