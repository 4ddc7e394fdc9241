// Package hold keeps many connections to many brokers open and asks each of
// them now and then, as monitors and probes do, and weighs what that takes.
//
//	h, err := hold.New(hold.Config{Addrs: addrs, PerBroker: 10, Every: 5 * time.Second, Duration: time.Minute, Timeout: 5 * time.Second})
//	if err != nil {
//		return err
//	}
//	err = h.Open(ctx)       // connect, and weigh before and after
//	if err == nil {
//		h.Ask(ctx)      // until the duration or ctx ends
//	}
//	result := h.Close()     // wait for answers, give everything back, count
//
// # Model
//
// The connections are a stand-alone kio.Cluster's: it opens them, spread over time, and opens
// them anew when they end. [Config.Senders] goroutines ask, whatever the number of
// brokers: they borrow the next connection of a broker, submit an ApiVersions
// request, and go on; answers arrive on the event loops. Engine and Cluster are
// the holder's own.
//
// # Schedule
//
// Open loop: request k is due k × Every ÷ connections after the start, at
// broker k modulo their number, whatever has become of those before. A broker
// lends its connections in turn, so that each is asked once in [Config.Every].
// A latency is counted twice, for successes: from the moment when the request was due, which
// includes the lateness of the sender, and from Submit.
//
// A broker without a connection is not waited for: its requests fail at once,
// in the class of what keeps it away, and the others stay on time.
//
// # Counting
//
// What was sent ends exactly once: [Result.Check]. What was due is sent, however late, until the senders are a timeout behind; what is then left is counted
// as skipped.
package hold
