package kioprom

import (
	"time"

	"kafkaio/kio"
)

// connMetrics are what there is to tell of one connection.
var connMetrics = []metric[kio.Stats]{
	{"age_seconds", "Time since the connection was dialled.", func(s *kio.Stats) float64 { return s.Age.Seconds() }},
	{"idle_seconds", "Time since the last request ended, 0 while one is queued or in flight.", func(s *kio.Stats) float64 { return s.Idle.Seconds() }},
	{"in_flight_requests", "Requests queued or sent whose answer is due.", func(s *kio.Stats) float64 { return float64(s.InFlight) }},
	{"pending_bytes", "Bytes of requests that wait to be written.", func(s *kio.Stats) float64 { return float64(s.PendingBytes) }},
	{"requests_total", "Requests accepted, one-way ones included.", func(s *kio.Stats) float64 { return float64(s.Requests) }},
	{"answers_total", "Requests that ended with an answer.", func(s *kio.Stats) float64 { return float64(s.Answered) }},
	{"late_answers_total", "Answers dropped because their requests had been given up.", func(s *kio.Stats) float64 { return float64(s.LateAnswers) }},
	{"write_stalls_total", "Times that a write found the socket full.", func(s *kio.Stats) float64 { return float64(s.Stalls) }},
	{"sent_bytes_total", "Bytes of requests handed to the kernel, size prefixes included.", func(s *kio.Stats) float64 { return float64(s.BytesSent) }},
	{"received_bytes_total", "Bytes of whole answers, size prefixes included.", func(s *kio.Stats) float64 { return float64(s.BytesRead) }},
	{"throttles_total", "Answers by which the broker asked to be left alone for a while.", func(s *kio.Stats) float64 { return float64(s.Throttles) }},
	{"throttled_seconds_total", "Time that requests were kept waiting at the broker's request.", func(s *kio.Stats) float64 { return s.Throttled.Seconds() }},
	{"reauthentications_total", "Sessions that the broker has renewed.", func(s *kio.Stats) float64 { return float64(s.Reauthentications) }},
	{"round_trip_seconds", "Smoothed round trip of segments, as the kernel has it (Linux).", func(s *kio.Stats) float64 { return told(s.RTT) }},
	{"round_trip_variation_seconds", "Mean deviation of the round trip of segments, as the kernel has it (Linux).", func(s *kio.Stats) float64 { return told(s.RTTVar) }},
	{"retransmits_total", "Segments that the kernel has sent again (Linux).", retransmits},
}

// told is a duration, absent where it is 0: nobody has told it.
func told(d time.Duration) float64 {
	if d == 0 {
		return absent
	}
	return d.Seconds()
}

// retransmits are told as long as the round trip is.
func retransmits(s *kio.Stats) float64 {
	if s.RTT == 0 {
		return absent
	}
	return float64(s.Retransmits)
}
