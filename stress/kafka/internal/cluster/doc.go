// Package cluster runs Apache Kafka on this machine: one node or several, with a listener for every way in which a client may come.
//
//	s, err := cluster.Up(ctx, cluster.Options{Dir: ".run", Nodes: 1, Progress: os.Stderr})
//	addr, _ := s.Addr(cluster.SASLSSL)
//	err = cluster.Down(".run")
//
// # Model
//
// Up resolves the jars with mvn once for each version, makes certificates and passwords for this start, writes a folder a node, formats the storage
// (KRaft, no ZooKeeper), starts a JVM a node and waits until all of them answer and know each other. What came of it is in Dir/state.json, which is
// all that others need: Load reads it. The JVMs outlive the process that started them.
//
// Down, Stop and Kill end processes by the ids in the state, and only those whose command line names the folder of the node: an id that the system has
// given to somebody else is left alone.
//
// # Listeners
//
// All listen on 127.0.0.1. PLAINTEXT, SSL (which wants a client's certificate), SASL_SSL, SASL_PLAINTEXT, and SESSION: SASL_SSL whose sessions end
// after some seconds (KIP-368). Every connection that has been idle for State.Idle is closed by its broker.
//
// It needs java (17 or newer), mvn and a Unix. It depends on nothing that it helps to test.
package cluster
