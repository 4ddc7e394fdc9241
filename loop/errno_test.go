package loop_test

import "syscall"

const (
	syscallECONNREFUSED = syscall.ECONNREFUSED
	syscallECONNRESET   = syscall.ECONNRESET
	syscallENOENT       = syscall.ENOENT
)
