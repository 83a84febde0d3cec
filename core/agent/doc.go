// Package agent joins one role to its log: the smallest thing that can crash
// and come back. The daemon and the simulator run the same agents.
//
// [Agent.Deliver] is the whole contract of persistence. It hands a batch of
// messages to the role, appends the records that the role wants kept, syncs
// once, and only then returns the messages that rest on them. Group commit
// falls out of it: while one batch syncs, the mailbox fills, and the next
// Deliver takes everything that waits.
//
// # Lost and cut memory: what a host has to do
//
// An acceptor whose log is lost recovers by itself if the host gives it
// [AcceptorOptions.Renew] and a random Limits.Run at every start. Renew makes the
// number of the new life durable first, in the replica's identity, and names an
// empty directory for its log; OpenAcceptor is called with the identity's number
// and that life's directory ever after. Until the recovery is complete the new log
// has no RecordBorn, and a start from it begins the recovery anew. Directories of
// older lives may be removed whenever the present one is normal.
//
// An acceptor with Limits.Cuts cuts its log below what the learner's [Sink] says to
// be durable: it records the new floor together with all that the older segments
// held beside votes, syncs, and releases them ([wal.Log.Release]). After a start it
// waits for the store's word; a store that says less than the floor means that the
// replica has lost its state. So whoever takes a store away takes down the acceptor
// of that replica first.
//
// A learner that nobody can help by entries asks [Sink.Want]; when the copy is
// there the host tells it [paxos.SnapshotReady], and the learner, unless it has
// come as far by itself, has it put in place by [Sink.Install] in the same Deliver.
//
// An agent is used by one goroutine at a time. It starts none of its own,
// except the one that its log may have for preparing segments.
package agent
