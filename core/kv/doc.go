// Package kv is the replicated map: it applies chosen values, slot by slot, to an
// ordered store, executes every update at most once, and answers reads.
//
// It is deterministic: the same values in the same order give the same rows,
// revisions, sessions and hashes on every replica. Time enters only as the
// proposer's wall time that each value carries. It does not know Paxos.
//
// To use it, give New a Store (core/kv/memstore in memory, daemon/store on disk),
// then call ApplyBatch with the chosen entries that follow Applied. A View reads
// from one consistent state.
//
// # Bytes of a value
//
// The empty value is a no-op. Any other is
//
//	8 bytes   proposer's wall time in milliseconds, big endian
//	then, for each command: its length as a uvarint, and its bytes
//
// # Bytes of a command
//
//	1 byte    operation: 1 put, 2 delete, 3 open, 4 close
//	put       session, sequence, sequence-low, key length, key, value (the rest)
//	delete    session, sequence, sequence-low, key length, key
//	open      16 bytes token
//	close     session
//
// All numbers are uvarints; a session is its slot and its index. More operations
// may be added. A replica that meets one it does not know stops: skipping it
// would make its state differ from the others'.
//
// # Bytes of the store
//
//	'd' key                         revision (8 bytes big endian), value
//	's' slot (8) index (4)          a session, see session.go
//	'm' "applied"                   applied slot, revision, log time, chain hash, limits
//
// A Copy is the whole of that at one slot, to be carried to another replica or away
// as a backup; see copy.go for the bytes of its manifest.
//
// All that one ApplyBatch changes goes to the store in one atomic batch, so that a
// crash can only take back whole batches.
package kv
