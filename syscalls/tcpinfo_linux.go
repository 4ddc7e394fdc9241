package syscalls

import (
	"time"

	"golang.org/x/sys/unix"
)

// GetTCPInfo returns the kernel's view of the TCP connection fd (TCP_INFO;
// units from tcp_get_info in net/ipv4/tcp.c). A socket that is not TCP gives
// unix.EOPNOTSUPP.
func GetTCPInfo(fd int) (TCPInfo, error) {
	k, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return TCPInfo{}, err
	}
	return TCPInfo{
		State: TCPState(k.State),

		RTT:    micros(k.Rtt),
		RTTVar: micros(k.Rttvar),
		MinRTT: minRTT(k.Min_rtt),
		RTO:    micros(k.Rto),

		Retransmits:  uint32(k.Retransmits),
		Probes:       uint32(k.Probes),
		Backoff:      uint32(k.Backoff),
		Unacked:      k.Unacked,
		Lost:         k.Lost,
		Retrans:      k.Retrans,
		TotalRetrans: k.Total_retrans,

		SndCwnd:     k.Snd_cwnd,
		SndSsthresh: k.Snd_ssthresh,
		SndWnd:      k.Snd_wnd,
		SndMSS:      k.Snd_mss,
		RcvMSS:      k.Rcv_mss,
		PathMTU:     k.Pmtu,

		NotSentBytes:  k.Notsent_bytes,
		BytesSent:     k.Bytes_sent,
		BytesRetrans:  k.Bytes_retrans,
		BytesAcked:    k.Bytes_acked,
		BytesReceived: k.Bytes_received,
		SegsOut:       k.Segs_out,
		SegsIn:        k.Segs_in,

		DeliveryRate: k.Delivery_rate,
		PacingRate:   k.Pacing_rate,

		LastDataSent: time.Duration(k.Last_data_sent) * time.Millisecond,
		LastDataRecv: time.Duration(k.Last_data_recv) * time.Millisecond,
		LastAckRecv:  time.Duration(k.Last_ack_recv) * time.Millisecond,

		Busy:          micros(k.Busy_time),
		RwndLimited:   micros(k.Rwnd_limited),
		SndbufLimited: micros(k.Sndbuf_limited),
	}, nil
}

func micros[T uint32 | uint64](n T) time.Duration { return time.Duration(n) * time.Microsecond }

// minRTT turns the kernel's "no sample yet", all ones, into 0.
func minRTT(n uint32) time.Duration {
	if n == ^uint32(0) {
		return 0
	}
	return micros(n)
}
