// Package embedded runs Kafka brokers in this process, for those who have no
// cluster at hand.
//
//	c, err := embedded.Start(embedded.Config{Brokers: 3, Topic: "t", Partitions: 12})
//	if err != nil {
//		return err
//	}
//	defer c.Close()
//	fmt.Println(c.Addrs())
//
// The brokers are kfake's: they speak the real protocol on real sockets of
// 127.0.0.1, and check what is produced. So that memory stays the same however
// long a run lasts, they keep nothing of it, and Fetch returns copies of one
// record batch from any offset.
package embedded
