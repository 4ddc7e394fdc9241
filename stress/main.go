package main

import (
	"os"
	"os/signal"
	"syscall"

	"kafkaio/stress/internal/command"
)

func main() {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	os.Exit(command.Main(command.Env{
		Args:       os.Args[1:],
		Stdin:      os.Stdin,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		Interrupts: interrupts,
		Exit:       os.Exit,
	}))
}
