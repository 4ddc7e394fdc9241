// Command bench measures what a request to Apache Kafka itself costs a client: CPU time of the client's process, for our client and for Kafka's other Go
// clients, on the same broker, in turns. See README.md one folder up.
//
//	go run ./bench
//	go run ./bench -apis Produce -shapes 1x64 -peers kafkaio,franz-go -rounds 5
//
// # Model
//
// The parent measures nothing itself. It makes a topic, and then starts, one after the other, a fresh child process for each measurement, which is this
// binary again (-child) and prints one line of JSON. A broker handles one request of a connection at a time and is the bottleneck: what tells clients
// apart here is what they spend on a request, not how many they get answered.
package main
