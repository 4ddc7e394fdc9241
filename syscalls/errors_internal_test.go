package syscalls

import (
	"errors"
	"runtime"
	"strings"
	"testing"
)

func TestUnsupportedMatchesAndSaysWhat(t *testing.T) {
	err := unsupported("TCP_INFO")
	if !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("%v does not match errors.ErrUnsupported", err)
	}
	if text := err.Error(); !strings.HasPrefix(text, "TCP_INFO on "+runtime.GOOS) {
		t.Errorf("got %q, want what and where in front", text)
	}
}
