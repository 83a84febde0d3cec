// Package gateway is where clients and operators come in.
//
// A request takes one of two ways. An update is registered under its session and
// sequence and handed to the own replica's proposer; when the learner here has
// applied it, whoever waits under that name is answered. The gateway repeats it
// until then, always as the same command, because nobody else keeps it: a batch
// may die with the leader it was forwarded to. While nothing gets to the leader the
// first time, repetitions also go to another replica, which passes them on. A read is handed to the learner,
// which says when the store here is fresh enough, and is then answered from it.
//
// All frames that arrive together are handled together: one lock, one Propose,
// one Read, one wake-up of each connection's writer. Nothing here waits for a
// slow client: what does not fit into a limit is answered `overloaded`, and a
// client that does not take its answers is cut off.
//
// Attach and Detach tell which state machine is alive; Apply and Read are called
// by the learner's goroutine, everything else by any.
package gateway
