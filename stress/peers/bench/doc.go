// Command bench measures our client beside Kafka's Go clients, plain
// sockets and C, all against the same responder, and prints a table a mode
// and the list of targets. See README.md one folder up.
//
//	go run ./bench
//	go run ./bench -works conn1-callers64 -peers kafkaio,franz-go -rounds 3
//
// # Model
//
// The parent measures nothing itself. It starts one responder process for
// each kind of answer and, one after the other, a fresh child process for
// each measurement, which prints one line of JSON. Both are this binary again
// (-responder, -child); for the works over TLS, the parent makes certificates
// in a temporary folder that both read, and the responder has a front; the children for C are the compiled yardstick. In mode
// pinned a child runs on the first CPU and the responders on the last, in mode
// unpinned all run where the kernel puts them.
package main
