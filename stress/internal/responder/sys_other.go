//go:build !linux

package responder

import (
	"time"

	"github.com/panjf2000/gnet/v2"
)

// writeNow leaves the writing to gnet.
func writeNow(gnet.Conn, []byte) (n int, gone bool) { return 0, false }

func nap(d time.Duration) { time.Sleep(d) }
