// Package workload says what a load consists of: which requests in which mix,
// encoded for one broker, and whether an answer to them is a success.
//
//	mix, err := workload.ParseMix("produce=8,fetch=2")
//	set, err := workload.Build(target, workload.Options{Mix: mix})
//	picker := set.Picker(seed, stream)
//	request := picker.Next()
//	… // send request.Bytes, receive answer
//	err = request.Check(answer)
//
// # Model
//
// A [Set] holds the requests to one broker, header and body, encoded once and
// never written to, so any number of connections share it. A [Picker] draws
// from it in an order that its seed and stream decide: the same two give the
// same order in every run. A Picker is for one goroutine at a time, everything
// else is safe for concurrent use.
//
// # Requests
//
// Each has the newest version that both the broker and kmsg know. Metadata asks
// for the one topic. Produce carries one record for one partition and asks for
// acks from all in-sync replicas. Fetch asks for one partition, without a
// session, and never waits: what is there is returned at once, up to
// [Options.FetchBytes] (or one whole batch, which brokers return even if it is
// larger). Produce and Fetch go to partitions that the broker leads, at most
// [MaxPartitions] of them.
//
// # Answers
//
// An answer is a success if it can be decoded and no error code in it, at the
// top or in a partition, is set. Answers to Metadata and ApiVersions that equal
// the last good one are not decoded again; Produce and Fetch are read as far as
// the error code when they have the expected shape of one partition.
package workload
