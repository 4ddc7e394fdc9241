// Command stress loads Kafka brokers over many connections, through kio.
//
//	go run ./stress
//	go run ./stress --brokers kafka-1:9092 --connections 5000 --duration 1m
//	go run ./stress responder --listen 127.0.0.1:9092
//
// It starts brokers of its own where none are named, keeps requests in flight
// on all connections, shows a live line, and ends with a table (or JSON) of
// rates, latencies, failures by class and bytes, by broker and by request.
// stress --help has the flags and the exit codes.
package main
