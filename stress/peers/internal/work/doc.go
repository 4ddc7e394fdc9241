// Package work says what is measured: the works, the peers that do them by
// default, the request that all of them send, and the result that each prints.
package work
