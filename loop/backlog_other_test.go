//go:build !unix

package loop_test

import "testing"

func listenBacklog0(t *testing.T) string {
	t.Helper()
	t.Skip("needs a socket with a backlog of 0")
	return ""
}
