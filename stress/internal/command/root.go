package command

import (
	"github.com/spf13/cobra"

	"kafkaio/stress/internal/workload"
)

const rootLong = `Stress opens many connections to Kafka brokers, keeps requests in flight on all of
them, and tells how many were answered and how fast.

Without a flag it runs three brokers in its own process, opens 1,000 connections to
them and sends ApiVersions, Metadata, Produce and Fetch for ten seconds. With
--brokers it loads a real cluster: it writes to the topic (see --topic), so think of
what else reads from it.

Each connection sends its next request when an answer has arrived. Interrupting once
(Ctrl-C) ends the load, waits for the answers that are due and prints the report;
interrupting twice exits at once.

The report goes to standard output, everything else to standard error.

`

const rootExits = `
Exit codes:
  0    nothing failed
  1    requests or connections failed
  2    wrong usage, a limit that is too small, or no brokers: nothing was sent
  3    sent = ok + failed + unanswered does not hold: please report it
  4    the report could not be written
  130  interrupted before anything was sent, or twice`

const rootExample = `  stress
  stress --brokers kafka-1:9092,kafka-2:9092 --connections 5000 --duration 1m
  stress --workload produce=9,fetch=1 --record-bytes 1000 --in-flight 4
  stress --json > result.json
  stress hold --embedded-brokers 1000 --connections 10000 --every 5s
  stress responder & stress --brokers 127.0.0.1:9092 --workload ping`

func newRoot(env *Env) *cobra.Command {
	o := new(options)
	c := &cobra.Command{
		Use:           "stress",
		Short:         "Load Kafka brokers over many connections",
		Long:          rootLong + "Presets of --workload:\n" + indent(workload.Presets()) + rootExits,
		Example:       rootExample,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			mix, err := o.validate(c.Flags().Changed("embedded-brokers"))
			if err != nil {
				return err
			}
			return env.load(c.Context(), o, mix)
		},
	}
	c.Flags().SortFlags = false
	o.register(c.Flags())
	c.AddCommand(newHold(env), newResponder(env))
	return c
}
