//go:build !unix

package responder

import (
	"errors"

	"github.com/panjf2000/gnet/v2"
)

const delaySupported = false

// bell needs a socket pair, which this platform does not have.
type bell struct{}

func newBell(gnet.EventLoop, any) (bell, error) {
	return bell{}, errors.New("delays need a Unix system")
}

func (bell) ring()  {}
func (bell) close() {}

// descriptorLimit is how many connections the process may have; not known
// here.
func descriptorLimit() int { return 1 << 30 }
