// Package report shows what a load is doing and what it came to: a live line, a
// table for people, and JSON for programs.
//
//	live := report.NewLive(os.Stderr, report.Redraw, width)
//	live.Show(report.Line(generator.Progress(), 10*time.Second))
//	live.Clear()
//	err := report.WriteTable(os.Stdout, result)
//	err = report.WriteJSON(os.Stdout, settings, result, exitCode)
//
// # Table
//
// Two groups of columns, latency and traffic. Each has a line for each broker,
// one for all, and one for each kind of request. "requests" is what was sent,
// "ok/s" the successes in each second of sending. Latencies run from sending to
// the answer, successes only. Bytes count the size prefixes of the protocol; by
// broker they are those of the connections, late answers included. The last column has the failures by class.
//
// # Holding
//
// [WriteHoldTable] and [WriteHoldJSON] are the same for connections that are held and asked now and
// then: what the process takes, before the first connection, with all open, and
// while asking; and round trips, from the moment when they were due and from Submit.
//
// # JSON
//
// One object, see [Document] and [HoldDocument]: its fields are the schema, whose name and version
// stand in "schema". New fields may come; one that changes its meaning or goes
// changes the version. Durations are in seconds, latencies in whole
// microseconds; objects of errors have a class as key and a count as value and
// are empty where nothing failed. Classes are timeout, refused, reset, eof,
// closed, unreachable, name, queue-full, silent, protocol, cancelled, other,
// local:descriptors, local:ports, and kafka: followed by the name of an error
// code in the protocol guide; with hold also not-connected.
package report
