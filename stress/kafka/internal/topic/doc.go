// Package topic makes topics, and the requests that write and read them, for any client that is a kmsg.Requestor.
//
//	t, err := topic.Create(ctx, broker, "records", topic.Layout{})
//	batch := topic.Batch(records)
//	code, err := topic.Produced(broker.Request(ctx, t.Produce(0, batch)))
//
// Requests carry a topic's name and its id, so that they are valid in every version, and leave the version to the client.
//
// # Batches
//
// A record batch of version 2 is (protocol guide, "Record Batch"):
//
//	 0  base offset            int64
//	 8  length of what follows int32
//	12  leader epoch           int32
//	16  magic, 2               int8
//	17  CRC-32C of what follows
//	21  attributes … number of records
//	61  records, each after its length as a varint
//
// The broker writes offset and epoch anew, which the checksum does not cover, and leaves all else as it was sent.
package topic
