package paxos

import "synod/core/mutant"

// Role is one of Lamport's agents: a value that takes messages and ticks and
// gives records and messages. It never blocks, reads no clock, starts nothing
// and never fails. It is used by one goroutine at a time.
type Role interface {
	// Restore replays a record of the role's log, before the first Step.
	Restore(Record)
	// Step handles one message. What is foreign or stale is dropped.
	Step(Envelope, *Output)
	// Tick tells that one tick of time has passed. The wall clock serves only
	// to stamp batches (log time); no decision depends on it.
	Tick(wallMillis int64, out *Output)
	// Settle is called once after a batch of Steps and Ticks. Whatever is
	// better done once for all that waited happens here: batches of commands,
	// merged votes, read rounds. That is the whole of natural batching.
	Settle(*Output)
}

// Output collects what a role wants done. The caller owns and reuses it.
//
// The contract of persistence: Records are durable before any of Messages
// leaves. Prompt may leave before; it holds what carries no promise.
type Output struct {
	Records  []Record
	Messages []Envelope
	Prompt   []Envelope
	// Chosen holds decided slots in order, without gaps, each exactly once in
	// the life of a learner. It is applied before Reads are answered.
	Chosen []Entry
	Reads  []ReadDone
	Events []Event

	// Renew is the incarnation in which an acceptor is about to live, 0 if it does
	// not change. It is durable outside of the log, so that the log of the life
	// before is never used again, before any of Messages leaves.
	Renew Incarnation
	// Fresh: Records begin a new log, that of the incarnation last renewed.
	Fresh bool
	// Want is what a learner needs because nobody holds the entries any more; it
	// is not filled if Want.From is 0. Whoever runs the learner fetches it in its
	// own time and says [SnapshotReady] when it is here.
	Want Snapshot
	// Install is the slot of the fetched snapshot that now takes the place of the
	// store, after Chosen is applied and before Reads are answered; 0 for none.
	Install Slot
}

// Snapshot is the state of a replica at a slot, not below AtLeast.
type Snapshot struct {
	From    ReplicaID
	AtLeast Slot
}

// Reset empties the output for reuse and lets go of what it pointed to.
func (o *Output) Reset() {
	clear(o.Records)
	clear(o.Messages)
	clear(o.Prompt)
	clear(o.Chosen)
	clear(o.Events)
	o.Records, o.Messages, o.Prompt = o.Records[:0], o.Messages[:0], o.Prompt[:0]
	o.Chosen, o.Reads, o.Events = o.Chosen[:0], o.Reads[:0], o.Events[:0]
	o.Renew, o.Fresh, o.Want, o.Install = 0, false, Snapshot{}, 0
}

// ReadDone releases a read: once everything in Chosen is applied, the store of
// this replica holds every update that was acknowledged before the read came.
type ReadDone struct {
	ID      uint64
	Applied Slot
}

// EventKind says what an [Event] tells.
type EventKind uint8

// The events, for logs, screens and traces.
const (
	EventCanvassing EventKind = iota + 1 // asks whether it may campaign
	EventCampaigning
	EventLeading
	EventResigned
	EventFollowing // hears a leader that it did not hear before
	EventLeaderLost
	EventStuck      // a learner asks for a slot to be opened again
	EventRefusing   // an acceptor stops voting, until its next start
	EventLost       // an acceptor has lost its state and begins to recover it
	EventRecovering // a step of the recovery is done
	EventNormal     // an acceptor has earned its vote back, or its store holds what it has cut
	EventFloor      // an acceptor has cut everything through Slot
	EventInstalled  // a learner goes on from a snapshot at Slot
)

func (k EventKind) String() string {
	names := [...]string{
		"", "canvassing", "campaigning", "leading", "resigned", "following", "leader lost",
		"stuck", "acceptor refuses to vote", "state lost", "recovering", "normal", "floor raised",
		"snapshot installed",
	}
	return names[k]
}

// Event is something worth telling a person. Nothing depends on it.
type Event struct {
	Kind   EventKind
	Ballot Ballot
	Slot   Slot
	Reason string
	// Replicas are, of EventLeading, those that promised; of EventResigned for want
	// of hearers, those that hear the leader; of EventCanvassing, those that said yes
	// to what was tried before, a canvass or a campaign, and were too few.
	Replicas ReplicaSet
	// Ticks are, of EventLeaderLost, the time since the leader was heard; of
	// EventResigned because of a slot, the time without progress.
	Ticks uint64
	// Slots are, of EventLeading, those that are proposed again.
	Slots int
	// Incarnation is that of an acceptor that lost or recovered its state.
	Incarnation Incarnation
}

// ReplicaSet is a set of replicas: bit r-1 stands for replica r.
type ReplicaSet uint8

// Has reports whether the replica is in the set.
func (s ReplicaSet) Has(r ReplicaID) bool { return r != Everyone && s&(1<<(r-1)) != 0 }

// Config is what all roles of a replica share.
type Config struct {
	Cluster ClusterID
	Self    ReplicaID
	// Replicas is the size of the cluster: 1, 3, 5 or 7.
	Replicas int
	// Incarnation of this replica's acceptor.
	Incarnation Incarnation
	// Mutant plants one bug, in builds that allow it.
	Mutant mutant.Set
}

// Majority is the size of a quorum: any two quorums share an acceptor.
func (c *Config) Majority() int { return c.Replicas/2 + 1 }

func (c *Config) envelope(from Roles, to Address, m Message) Envelope {
	return Envelope{
		Cluster: c.Cluster, From: Address{c.Self, from}, Incarnation: c.Incarnation, To: to, Message: m,
	}
}

// foreign reports whether the envelope is not of this cluster.
func (c *Config) foreign(e *Envelope) bool {
	return e.Cluster != c.Cluster || e.From.Replica == Everyone || int(e.From.Replica) > c.Replicas
}
