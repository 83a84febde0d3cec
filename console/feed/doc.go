// Package feed is the console's only way out: it implements the ports of package command over protocol/client, and
// watches the replicas for the screen.
//
//	Cluster    requests to the store             (command.Cluster)
//	Operators  status, roles, random faults      (command.Operator)
//	Watch      what all replicas say, as a snapshot that can be taken at any time without waiting
//	Logs       the log lines of all replicas and of this program, within fixed limits
//	Keys       the part of the store that is on the screen
package feed
