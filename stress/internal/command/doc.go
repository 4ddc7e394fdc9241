// Package command is the command line of stress: flags, signals, exit codes, and
// the order in which things happen. What a user has to know is in the help of
// the commands.
//
//	os.Exit(command.Main(command.Env{Args: os.Args[1:], Stdout: os.Stdout, Stderr: os.Stderr, Interrupts: signals, Exit: os.Exit}))
//
// # Model
//
// Results go to standard output, everything else to standard error. One
// goroutine waits for interrupts, one shows progress; Main waits for both and
// gives back all that it has started.
package command
