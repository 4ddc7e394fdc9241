package hold

import "time"

// SetStalled says for how long no connection has to have come in before the missing ones are no longer waited for.
func (h *Holder) SetStalled(d time.Duration) { h.stalled = d }
