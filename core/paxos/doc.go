// Package paxos is Multi-Paxos as three pure roles: Proposer, Acceptor and Learner of Lamport's "Paxos Made Simple".
//
// A role is a value ([Role]). Messages and ticks go in, an [Output] comes out: records to keep, messages to send, slots
// that are chosen, reads that may be answered. It reads no clock, starts no goroutine, touches no disk and never fails.
// Whoever runs it keeps one promise: Records are durable before any of Messages leaves. core/agent does so.
//
//	gateway        proposer (leader)        acceptors               learners
//	   | Propose         |                      |                       |
//	   |---------------->|  Prepare(b, from)    |                       |  once per leader
//	   |                 |--------------------->|                       |
//	   |                 |  Promise(b, votes)   | record, sync          |
//	   |                 |<---------------------|                       |
//	   |                 |  Accept(b, slot, v)  |                       |  once per slot
//	   |                 |--------------------->|---------------------->|  the value
//	   |                 |  Accepted(b, slots)  | record, sync          |
//	   |                 |<---------------------|---------------------->|  a majority: chosen
//	   |                 |  Heartbeat(b, chosen up to)                  |
//	   |                 |--------------------------------------------->|
//	   |                 |                      |    ChosenRuns         |  to the own acceptor
//	   |                 |                      |<----------------------|
//	   |                 |                      |    Fetch, Held        |  what was missed
//	   |                 |                      |<--------------------->|
//	   |                 |                      |  ReadQuery, ReadAnswer|  linearizable reads
//	   |                 |                      |<--------------------->|
//	   |                 |  Close, Applied      |                       |
//	   |                 |<---------------------------------------------|
//	   |                 |
//	   |   Canvass, CanvassReply, HeartbeatReply, Forward between proposers; Nack and Refusing from acceptors
//
// Where to read: ballot.go and message.go for the words; acceptor.go, proposer.go, learner.go and read.go for safety,
// with the sentences of the paper they rest on; election.go and catchup.go for liveness, which may be wrong without
// breaking agreement; quorum.go for what counts as a majority. core/README.md has the invariants and the decisions.
package paxos
