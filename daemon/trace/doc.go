// Package trace remembers what the roles of a replica did lately, so that people can ask why a slot is not chosen and
// why the leader changed.
//
// A [Recorder] has a ring of the newest slots for each role, and one of changes of leadership. Each ring is written by
// one goroutine and read by copying; records have a fixed size, so writing allocates nothing, and its lock is taken
// once for each Deliver of a role and never held for long. Texts, sorted steps and all else that people want are made
// when somebody asks.
//
//	r := trace.New(trace.Options{Replicas: 5, Tick: 10 * time.Millisecond})
//	agent.Options{Tap: r.Arrived}               // what the acceptor is about to do
//	host.Options{Delivered: r.Delivered, ...}   // what proposer and acceptor did
//	r.Applied(entries, chosen, applied)         // what the learner's state machine did
//	r.Tell(role, events, now)                   // what roles tell
//	r.Slots(query), r.Ballots(query)            // what an operator asks
//
// A step is recorded when it has happened: a vote when it is durable, a question when it has left. Nothing in here
// outlives the process, and nothing depends on it.
package trace
