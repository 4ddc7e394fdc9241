// Package target finds out what a cluster looks like before it is loaded: its
// brokers, the versions that each supports, and which partitions of the topic
// each leads and from where they can be fetched.
//
//	c, err := target.Discover(ctx, target.Config{Seeds: seeds, Topic: "t", NeedTopic: true})
//	if err != nil {
//		return err // nothing was loaded
//	}
//	for _, b := range c.Brokers { … }
//
// # Model
//
// Discover asks the first seed that answers for the cluster's Metadata, creates
// the topic where it is missing and needed, and then asks each broker for its
// ApiVersions and the first offsets of its partitions. It starts no goroutine
// and keeps no connection. Every broker that Metadata lists must answer, at the
// address that it advertises: one that is down before the load is found here
// and not in the figures.
package target
