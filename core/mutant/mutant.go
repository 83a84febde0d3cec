// Package mutant names the bugs that can be planted in Synod on purpose, so that its checkers can be tested.
//
// A mutant is one wrong line in one of the parts. A part that carries mutants takes a Set in its options and asks
// Has where the wrong line would stand. In a normal build Set is empty and Has is the constant false: the compiler
// removes the wrong line, and nothing can switch it on. Built with `-tags mutants`, Of(M31) makes a Set with exactly
// one mutant, and some test or checker has to die of it. To add one: a constant here, its line in All, the branch in
// the part that carries it, and the test that kills it.
package mutant

// ID names one mutant by its number in the table of planted bugs. The empty ID is none.
type ID string

// The mutants. Each line says what the mutated program does wrong.
const (
	// M1 sends a Promise before it is durable.
	M1 ID = "M1"
	// M2 sends an Accepted before it is durable.
	M2 ID = "M2"
	// M3 accepts in a ballot below the promised one.
	M3 ID = "M3"
	// M4 promises a ballot that is not above the promised one to another proposer.
	M4 ID = "M4"
	// M5 takes 2 of 5 votes for a quorum of phase 2.
	M5 ID = "M5"
	// M6 takes 2 of 5 promises for a quorum of phase 1.
	M6 ID = "M6"
	// M7 proposes its own value whatever the promises report.
	M7 ID = "M7"
	// M8 takes the value of the lowest reported ballot, or of the first reply.
	M8 ID = "M8"
	// M9 takes a reported value for the slot next to its own.
	M9 ID = "M9"
	// M10 leaves gaps below the highest reported slot open.
	M10 ID = "M10"
	// M11 makes ballots without the run, so a restarted proposer uses a round again.
	M11 ID = "M11"
	// M12 counts a repeated reply of one acceptor twice.
	M12 ID = "M12"
	// M13 counts replies to another ballot.
	M13 ID = "M13"
	// M14 lets the leader count its own vote before it is durable.
	M14 ID = "M14"
	// M15 lets an acceptor without memory vote at once.
	M15 ID = "M15"
	// M16 lets an acceptor without memory vote after it watched one full instance.
	M16 ID = "M16"
	// M17 recovers from 2 of the other 4 acceptors instead of 3.
	M17 ID = "M17"
	// M18 recovers accepted values but not promises.
	M18 ID = "M18"
	// M19 recovers promises but not accepted values.
	M19 ID = "M19"
	// M20 lets proposers count replies of old incarnations.
	M20 ID = "M20"
	// M20b lets learners count votes of old incarnations.
	M20b ID = "M20b"
	// M21 sends RecoverState before the new incarnation is durable.
	M21 ID = "M21"
	// M22 lets a recovering acceptor help another recovering one.
	M22 ID = "M22"
	// M23 takes a RecoverState of an earlier attempt.
	M23 ID = "M23"
	// M23b does not check the replies of a recovery against each other.
	M23b ID = "M23b"
	// M24 cuts the log above the replica's own durable checkpoint.
	M24 ID = "M24"
	// M25 becomes normal with a checkpoint below the highest floor of its helpers.
	M25 ID = "M25"
	// M25b lets the acceptor stay normal when its store is lost or older than the floor.
	M25b ID = "M25b"
	// M25c reads the vector or the checkpoint before what goes with it was recorded.
	M25c ID = "M25c"
	// M26 writes the applied slot in a batch of its own.
	M26 ID = "M26"
	// M27 answers a read round with fewer answers than a majority.
	M27 ID = "M27"
	// M27b answers reads from the own store without a read round.
	M27b ID = "M27b"
	// M28 counts an answer to an older read round.
	M28 ID = "M28"
	// M29 lets a read join a round that was sent before the read arrived.
	M29 ID = "M29"
	// M29b lets recovering acceptors answer read rounds.
	M29b ID = "M29b"
	// M29c leaves entries installed by recovery out of read answers.
	M29c ID = "M29c"
	// M29d leaves the floor out of read answers.
	M29d ID = "M29d"
	// M30 leaves the sessions out of the snapshot.
	M30 ID = "M30"
	// M31 cuts a segment at damage in its middle instead of refusing.
	M31 ID = "M31"
	// M32 answers a read before the slot of its round is applied.
	M32 ID = "M32"
	// M33 leaves out the sync of the directory after a new segment.
	M33 ID = "M33"
	// M34 lets a leader without a quorum stay leader.
	M34 ID = "M34"
	// M35 votes again, below the promise, for an entry installed by recovery.
	M35 ID = "M35"
	// M36 takes the own entry for chosen by a mark without a ballot.
	M36 ID = "M36"
	// M37 counts equal values at different ballots as a majority.
	M37 ID = "M37"
	// M38 raises the own incarnation from a received vector, or uses one twice.
	M38 ID = "M38"
	// M39 leaves out the sync after the replay of the log.
	M39 ID = "M39"
	// M40 proposes an own value below a reported floor.
	M40 ID = "M40"
	// M41 uses one round for two campaigns of one run.
	M41 ID = "M41"
	// M42 executes a trimmed sequence again.
	M42 ID = "M42"
	// M43 keeps the last sequence of a session instead of all executed ones.
	M43 ID = "M43"
	// M44 makes a session's id of the slot alone, or lets the client choose it.
	M44 ID = "M44"
	// M45 reports an update in flight of an expired session as not executed.
	M45 ID = "M45"
	// M46 sends an update of an expired session again in a new one.
	M46 ID = "M46"
	// M47 moves low past an update whose result is unknown.
	M47 ID = "M47"
	// M48 lets the order or the limit of session eviction differ between replicas.
	M48 ID = "M48"
	// M49 forwards a command without a session twice.
	M49 ID = "M49"
)

// All lists every mutant in the order of the table.
func All() []ID {
	return []ID{
		M1, M2, M3, M4, M5, M6, M7, M8, M9, M10, M11, M12, M13, M14, M15, M16, M17, M18, M19, M20, M20b,
		M21, M22, M23, M23b, M24, M25, M25b, M25c, M26, M27, M27b, M28, M29, M29b, M29c, M29d, M30, M31, M32,
		M33, M34, M35, M36, M37, M38, M39, M40, M41, M42, M43, M44, M45, M46, M47, M48, M49,
	}
}
