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
//	   |   Canvass, CanvassReply, HeartbeatReply, Forward between proposers; Nack, BelowFloor and Refusing from
//	   |   acceptors; Checkpoint from the own learner; RecoverQuery, RecoverInfo, Recover, RecoverState, Recovering,
//	   |   Revived and Remembered between acceptors
//
// Where to read: ballot.go and message.go for the words; acceptor.go, proposer.go, learner.go and read.go for safety,
// with the sentences of the paper they rest on; election.go and catchup.go for liveness, which may be wrong without
// breaking agreement; quorum.go for what counts as a majority; floor.go for what an acceptor may forget; recovery.go
// and helping.go for how one that has lost its memory earns its vote back. core/README.md has the invariants and the
// decisions.
//
// # Lost memory: the rules, and where each is kept
//
//	vectors    taken over from normal acceptors, recorded before any later answer    helping.go onRevived, raiseLives
//	           the own incarnation is raised by no message; who hears of a later     helping.go onRevived
//	           life of itself is an older one, and recovers
//	           who remembers less of its life than others heard it say recovers      helping.go onRemembered
//	answers    a Promise and a vote carry the whole vector, read after what they     acceptor.go promises, Settle
//	           promise was noted, and leave after its sync                           core/agent Deliver
//	           Accepted only as the answer to Accept, never below the promise,       acceptor.go onAccept
//	           even for an entry that is held; below the floor: BelowFloor           floor.go belowFloor
//	           every other question gets Held, which is no vote                      acceptor.go onFetch
//	counting   promises and votes count together if none of the two acceptors        quorum.go consistent, quorum
//	           knew of a later life of the other one: at proposers and learners      proposer.go, learner.go decide
//	           who gave a reply that became stale is asked again                     proposer.go resendPrepare, resendAccepts
//	           parts of one Promise are of one life, one floor, one beginning        proposer.go collect
//	proposing  nothing at or below the highest floor of the promises                 proposer.go onPromise, onBelowFloor
//	reads      a normal acceptor answers the highest slot it holds, recovered        acceptor.go onReadQuery
//	           entries and the floor included
//	learning   a quorum of votes, a mark of exactly the value's ballot, an entry     learner.go decide, catchup.go onHeld
//	           that a run covers by slot and ballot, or a snapshot                   catchup.go install
//	floor      only below the own store's durable checkpoint; recorded before        floor.go onCheckpoint; core/agent
//	           anything goes; a start waits until the store says that it holds it    acceptor.go Refusing
//	           a store that holds less than the floor: the state is lost             floor.go onCheckpoint
//	recovery   no promise, vote, read answer or help before its end                  recovery.go stepRecovering
//	           a new nonce for every start and every attempt anew                    recovery.go nonce, onRecoverInfo
//	           the new incarnation is above all that N-m+1 others know, durable      recovery.go gather; core/agent renew
//	           before anybody hears of it
//	           a helper is normal, records the new life, syncs, then answers; all    helping.go onRecover, stateFrom
//	           it tells was read after the record, promise and floor at the end
//	           N-m+1 helpers, of this attempt, whose replies fit together            recovery.go onRecoverState
//	           highest promise, highest floor, highest ballot for each slot          recovery.go install
//	           a new log, synced; RecordBorn only when the own store holds all       recovery.go completeIfReady
//	           through the floor; normal when that is synced
//
// Each line has a story in counterexample_test.go that breaks a promise when the line is left out.
package paxos
