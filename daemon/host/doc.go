// Package host runs the agents of one replica: a goroutine and a bounded
// mailbox for each of proposer, acceptor and learner.
//
// The loop of every agent is the same: take all that waits, Deliver it, route
// what comes out. While one Deliver syncs, the next batch gathers in the
// mailbox; so batches and group commit need no timer.
//
// Messages for the own replica travel by pointer, all others go to a [Remote].
// Roles can be crashed, started, paused and resumed while the others go on:
// Crash drops the role's memory and flushes nothing, Start takes the same path
// as after a kill -9. Only such an injected fault ends a role alone; a panic or
// a failed Deliver is given to Options.Fatal, which must end the process,
// because nobody can say what a broken role would promise next.
package host
