// Package agent joins one role to its log: the smallest thing that can crash
// and come back. The daemon and the simulator run the same agents.
//
// [Agent.Deliver] is the whole contract of persistence. It hands a batch of
// messages to the role, appends the records that the role wants kept, syncs
// once, and only then returns the messages that rest on them. Group commit
// falls out of it: while one batch syncs, the mailbox fills, and the next
// Deliver takes everything that waits.
//
// An agent is used by one goroutine at a time. It starts none of its own,
// except the one that its log may have for preparing segments.
package agent
