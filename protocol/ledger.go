package protocol

import "time"

// SlotsQuery asks for what a replica has seen of slots. It keeps the newest few
// thousand only, in memory; asking costs nothing but the answer.
type SlotsQuery struct {
	// From and To, both included; 0, 0 is the newest ones.
	From uint64 `json:"from,omitempty"`
	To   uint64 `json:"to,omitempty"`
	// Max bounds the answer, which holds the newest of those that were asked for;
	// 0 and everything above [SlotsMax] means SlotsMax.
	Max int `json:"max,omitempty"`
}

// SlotsMax bounds the slots in one answer.
const SlotsMax = 200

// TraceKeyBytesMax is how much of a key a SlotTrace shows.
const TraceKeyBytesMax = 64

// Slots answers a SlotsQuery: the instances of consensus as this replica took
// part in them, in the order of slots. Slots it knows nothing of are left out.
type Slots struct {
	Oldest uint64      `json:"oldest"` // slot of which anything is kept
	Newest uint64      `json:"newest"`
	Slots  []SlotTrace `json:"slots"`
}

// SlotTrace is what one replica saw of one slot.
type SlotTrace struct {
	Slot   uint64 `json:"slot"`
	Ballot string `json:"ballot"` // the highest one seen for it
	// What the value holds, as far as this replica has seen it.
	Commands  int    `json:"commands"` // 0 with Operation "noop"
	Bytes     int    `json:"bytes"`
	Operation string `json:"operation"` // put, del, open, close, batch, noop; "" if the value is not known
	// Key is that of the first command, cut after [TraceKeyBytesMax] bytes.
	Key     []byte `json:"key,omitempty"`
	Request string `json:"request,omitempty"` // session and sequence of the first command
	Steps   []Step `json:"steps"`             // in order of time
}

// What a [Step] tells. The first three are of the leader's proposer, the next
// two of the acceptor, the last ones of the learner.
const (
	StepProposed = "proposed" // the Accept went out to all
	StepAsked    = "asked"    // the Accept went out again to From, which had not answered
	StepVoted    = "voted"    // the proposer has heard the vote of From
	StepAccepted = "accepted" // the vote is durable; TookMicros from the arrival of the Accept
	StepRefused  = "refused"  // the acceptor had promised a higher ballot
	StepChosen   = "chosen"   // the learner knows a majority, for this slot and all below
	StepApplied  = "applied"  // the state machine holds it
)

// Step is one thing that happened to a slot at one replica.
type Step struct {
	At         time.Time `json:"at"` // clock of the replica
	What       string    `json:"what"`
	From       string    `json:"from,omitempty"`   // replica, where another one is concerned
	Ballot     string    `json:"ballot,omitempty"` // if it is not that of the trace
	TookMicros int64     `json:"took_us,omitempty"`
	// Times is how often it happened, if more than once; At is then the last time,
	// but for accepted: a vote is durable since the first.
	Times int `json:"times,omitempty"`
}

// BallotsQuery asks for the changes of leadership that a replica has seen.
type BallotsQuery struct {
	Max int `json:"max,omitempty"` // the newest so many; 0 and everything above BallotsMax means BallotsMax
}

// BallotsMax bounds the events in one answer.
const BallotsMax = 200

// Ballots answers a BallotsQuery, the oldest event first.
type Ballots struct {
	Events []BallotEvent `json:"events"`
}

// BallotEvent is a change of leadership as one replica saw it.
type BallotEvent struct {
	At time.Time `json:"at"` // clock of the replica
	// What is canvassing, campaigning, leading, resigned, following or leader lost.
	What   string `json:"what"`
	Ballot string `json:"ballot,omitempty"`
	Owner  string `json:"owner,omitempty"`  // of the ballot
	Reason string `json:"reason,omitempty"` // in words for people
	// Of what "leading": phase 1 of the campaign.
	PhaseMicros int64    `json:"phase_us,omitempty"`
	PromisedBy  []string `json:"promised_by,omitempty"`
	OpenSlots   int      `json:"open_slots,omitempty"` // proposed again
	// Times is how often it happened in a row, if more than once; At is the last.
	Times int `json:"times,omitempty"`
}

// DigestQuery asks what a replica's state hashes to.
type DigestQuery struct{}

// Digest answers a DigestQuery. Two replicas whose hashes differ at the same
// slot have applied different histories.
type Digest struct {
	Applied uint64 `json:"applied"`
	Hash    string `json:"hash"` // 16 hex digits, chained over every applied slot
	// Marks are the hashes at fixed slots, the newest last, so that replicas that
	// are not equally far can be compared.
	Marks []DigestMark `json:"marks"`
}

// DigestMark is the hash after one slot.
type DigestMark struct {
	Slot uint64 `json:"slot"`
	Hash string `json:"hash"`
}
