package syscalls

import (
	"strconv"
	"time"
)

// TCPState is the state of a TCP connection, numbered as in Linux
// (include/net/tcp_states.h). The zero value is no state.
type TCPState uint8

// The states of RFC 9293, section 3.3.2, and Linux's TCPNewSynRecv.
const (
	TCPEstablished TCPState = iota + 1
	TCPSynSent
	TCPSynRecv
	TCPFinWait1
	TCPFinWait2
	TCPTimeWait
	TCPClose
	TCPCloseWait
	TCPLastAck
	TCPListen
	TCPClosing
	TCPNewSynRecv
)

var tcpStateNames = [...]string{
	TCPEstablished: "ESTABLISHED",
	TCPSynSent:     "SYN_SENT",
	TCPSynRecv:     "SYN_RECV",
	TCPFinWait1:    "FIN_WAIT1",
	TCPFinWait2:    "FIN_WAIT2",
	TCPTimeWait:    "TIME_WAIT",
	TCPClose:       "CLOSE",
	TCPCloseWait:   "CLOSE_WAIT",
	TCPLastAck:     "LAST_ACK",
	TCPListen:      "LISTEN",
	TCPClosing:     "CLOSING",
	TCPNewSynRecv:  "NEW_SYN_RECV",
}

// String returns the state's name as netstat prints it.
func (s TCPState) String() string {
	if s == 0 || int(s) >= len(tcpStateNames) {
		return "TCPState(" + strconv.Itoa(int(s)) + ")"
	}
	return tcpStateNames[s]
}

// TCPInfo is what the kernel knows of a connection, a copy taken at one moment.
// Counters start with the connection. A field that the running kernel is too
// old to know is 0.
type TCPInfo struct {
	State TCPState

	RTT    time.Duration // smoothed round-trip time
	RTTVar time.Duration // its mean deviation
	MinRTT time.Duration // least seen in the kernel's window, 5 minutes by default
	RTO    time.Duration // retransmission timeout now in force

	Retransmits  uint32 // timeouts in a row without progress; 0 after an ACK
	Probes       uint32 // unanswered window or keepalive probes
	Backoff      uint32 // doublings of the timeout so far
	Unacked      uint32 // segments sent and not acknowledged
	Lost         uint32 // segments of these believed lost
	Retrans      uint32 // segments of these sent again
	TotalRetrans uint32 // segments sent again since the start

	SndCwnd     uint32 // congestion window, segments
	SndSsthresh uint32 // slow start threshold, segments
	SndWnd      uint32 // window offered by the peer, bytes
	SndMSS      uint32 // segment size when sending, bytes
	RcvMSS      uint32 // segment size seen when receiving, bytes
	PathMTU     uint32 // bytes

	NotSentBytes  uint32 // in our buffer, not sent even once
	BytesSent     uint64 // sent again counts again
	BytesRetrans  uint64
	BytesAcked    uint64
	BytesReceived uint64
	SegsOut       uint32
	SegsIn        uint32

	DeliveryRate uint64 // bytes a second, most recent sample
	PacingRate   uint64 // bytes a second, all ones when not paced

	LastDataSent time.Duration // since data was last sent, in ms steps
	LastDataRecv time.Duration // since data was last received
	LastAckRecv  time.Duration // since an ACK was last received

	Busy          time.Duration // time with data to send
	RwndLimited   time.Duration // of that, held back by the peer's window
	SndbufLimited time.Duration // of that, held back by our send buffer
}
