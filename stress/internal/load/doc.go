// Package load opens connections to brokers and keeps requests in flight on
// each of them: a closed loop, in which every answer sends the next request.
//
//	g, err := load.New(load.Config{Brokers: brokers, Connections: 1000, InFlight: 1, Duration: 10 * time.Second})
//	if err != nil {
//		return err
//	}
//	err = g.Open(ctx)       // connect
//	if err == nil {
//		g.Drive(ctx)    // send until the duration or ctx ends
//	}
//	result := g.Close()     // wait for answers, give everything back, count
//
// # Model
//
// Connection i belongs to broker i modulo their number. A connection has
// [Config.InFlight] slots, and a slot has one request in flight: it draws one,
// submits it, and its end, which arrives on the connection's event loop, is
// recorded and draws the next one. The first slot of a connection begins with
// Drive, the others with its first answer. There is no goroutine for a request, a slot or a
// connection; [Generator.Open] uses [Config.Dials] of them for its duration.
// The engine is the generator's own.
//
// A slot ends when sending is over, or when its connection has died: dead
// connections are not replaced, they are counted.
//
// # Counting
//
// A latency is the time from Submit to the answer, and counted for successes
// only; failures are counted by class (see [Classify]). Results go to shards,
// each with a lock that is held for some ten nanoseconds. A shard has a
// histogram for each broker and each API, so memory is bounded by shards (one
// for each event loop) × (brokers + 4) × 140 KB, whatever the duration.
//
// What was sent is counted by the slots before Submit; what has ended is
// counted by the shards. [Result.Check] compares the two.
package load
