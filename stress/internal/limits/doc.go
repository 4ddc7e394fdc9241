// Package limits knows what the operating system lets one process have, so
// that a run which cannot work is refused before it begins, and no broker is
// blamed for it.
//
//	if err := limits.Descriptors(need); err != nil {
//		return err // one sentence: what is too small, and the remedy
//	}
//
// # Limits
//
// Descriptors are checked on Unix systems, where the soft limit is raised to
// the hard one. The range of local ports is read on Linux; a connection to a
// broker takes one port of it, and two brokers may be reached from the same
// one. What cannot be found out is not checked.
package limits
