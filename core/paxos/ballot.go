package paxos

import (
	"cmp"
	"fmt"
)

// ReplicasMax is the largest cluster. Vectors and tallies are arrays of this
// size, so that counting a vote allocates nothing.
const ReplicasMax = 7

// ReplicaID names a replica: 1 is r1. Zero is [Everyone].
type ReplicaID uint8

// Everyone addresses all replicas of the cluster, the sender's own included.
const Everyone ReplicaID = 0

func (r ReplicaID) String() string {
	if r == Everyone {
		return "r*"
	}
	return fmt.Sprintf("r%d", uint8(r))
}

// Ballot is the number under which a proposer acts. Ballots are totally
// ordered by Round, then Replica, then Run, and are sent and compared whole.
//
// Run is random, not zero, and drawn by the host for every start of the role;
// within one run every campaign uses a new Round. So a ballot is never used
// twice, although no proposer keeps a log ("Paxos Made Simple", section 2.5,
// demands stable storage for that; the random run replaces it).
type Ballot struct {
	Round   uint64
	Replica ReplicaID
	Run     uint64
}

// Compare orders ballots: negative if b is lower than o.
func (b Ballot) Compare(o Ballot) int {
	if c := cmp.Compare(b.Round, o.Round); c != 0 {
		return c
	}
	if c := cmp.Compare(b.Replica, o.Replica); c != 0 {
		return c
	}
	return cmp.Compare(b.Run, o.Run)
}

// Less reports whether b is lower than o.
func (b Ballot) Less(o Ballot) bool { return b.Compare(o) < 0 }

// IsZero reports whether b is the ballot below all ballots, which nobody owns.
func (b Ballot) IsZero() bool { return b == Ballot{} }

// roundsAheadMax bounds how far above all known rounds a new one may be. Whoever
// was away for years is not that far behind; and beyond the last round nobody could
// outbid anybody any more, so one damaged or forged number would end the cluster.
const roundsAheadMax = 1 << 32

// plausible reports whether a proposer may have made the ballot, when round is the
// highest that was known before.
func (b Ballot) plausible(round uint64) bool {
	return b.Replica != Everyone && b.Run != 0 && plausibleRound(b.Round, round)
}

func plausibleRound(round, known uint64) bool {
	return round <= known || round-known <= roundsAheadMax
}

// String prints round and replica, for people: "12.r4". The run is left out;
// [Ballot.Long] has it.
func (b Ballot) String() string {
	if b.IsZero() {
		return "-"
	}
	return fmt.Sprintf("%d.%s", b.Round, b.Replica)
}

// Long prints the whole ballot with its run.
func (b Ballot) Long() string { return fmt.Sprintf("%s/%016x", b, b.Run) }

// Slot is a place in the one agreed order. The first slot is 1; 0 means none.
type Slot uint64

// ChosenRun states a fact: every slot from First to Last is chosen, and any
// entry for such a slot that was voted for under a ballot not lower than
// Ballot holds the chosen value. Without the ballot the statement would prove
// nothing about an entry at hand, which may be the loser of an older ballot.
type ChosenRun struct {
	Ballot      Ballot
	First, Last Slot
}

// Covers reports whether the run proves an entry for the slot, voted for under
// ballot b, to hold the chosen value. A run without a ballot proves nothing.
func (r ChosenRun) Covers(s Slot, b Ballot) bool {
	return r.First <= s && s <= r.Last && !b.Less(r.Ballot) && !r.Ballot.IsZero()
}

// Incarnation counts the lives of an acceptor's memory. It starts at 1 and
// grows only when the acceptor lost its state and earned its vote back.
type Incarnation uint64

// Vector holds the highest incarnation of every replica's acceptor that its
// owner knows, indexed by replica number minus one.
type Vector [ReplicasMax]Incarnation

// Of returns the incarnation known for a replica.
func (v *Vector) Of(r ReplicaID) Incarnation { return v[r-1] }

// raise takes over every higher incarnation of o but that of the owner, which no
// message can raise, and reports whether there was one.
func (v *Vector) raise(owner ReplicaID, o *Vector) bool {
	raised := false
	for i := range v {
		if ReplicaID(i+1) != owner && v[i] < o[i] {
			v[i], raised = o[i], true
		}
	}
	return raised
}

// ClusterID is drawn once, by init. Everything that belongs to another cluster
// is foreign, whatever its addresses say.
type ClusterID [16]byte

func (c ClusterID) String() string { return fmt.Sprintf("%x", c[:]) }
