package kio

import (
	"testing"
	"time"
)

func TestConfigTellsTheLoopForHowLong(t *testing.T) {
	c := &Config{BusyPoll: time.Second, WakeDelay: time.Minute}
	if d := c.dialConfig(); d.BusyPoll != c.BusyPoll || d.WakeDelay != c.WakeDelay {
		t.Errorf("BusyPoll %v and WakeDelay %v, want %v and %v", d.BusyPoll, d.WakeDelay, c.BusyPoll, c.WakeDelay)
	}
}
