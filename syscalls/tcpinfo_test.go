package syscalls_test

import (
	"testing"

	"kafkaio/syscalls"
)

func TestTCPStateString(t *testing.T) {
	for s, want := range map[syscalls.TCPState]string{
		0:                       "TCPState(0)",
		syscalls.TCPEstablished: "ESTABLISHED",
		syscalls.TCPClose:       "CLOSE",
		syscalls.TCPCloseWait:   "CLOSE_WAIT",
		syscalls.TCPNewSynRecv:  "NEW_SYN_RECV",
		13:                      "TCPState(13)",
		255:                     "TCPState(255)",
	} {
		if got := s.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
