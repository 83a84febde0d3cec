package check

import (
	"fmt"

	"synod/core/kv"
	"synod/core/paxos"
	"synod/core/session"
)

// Time is simulated time in microseconds since the start of the run.
type Time int64

// Millisecond and Second are lengths of simulated time.
const (
	Millisecond Time = 1000
	Second           = 1000 * Millisecond
)

func (t Time) String() string { return fmt.Sprintf("%d.%06d", t/Second, t%Second) }

// EventKind says what an [Event] is about.
type EventKind uint8

// The kinds of events, with the fields that each one fills beside At and Agent.
const (
	// Started: an agent begins a life. Refusing is set if it cannot vote.
	Started EventKind = iota + 1
	// Stopped: an agent died. Reason says of what.
	Stopped
	// Sent: Envelope leaves the agent. All that left in one go has one Step.
	Sent
	// Received: the agent takes Envelope from its mailbox.
	Received
	// Chose: a learner hands Entry to its state machine.
	Chose
	// Executed: the state machine executed Command with Result.
	Executed
	// Applied: the state machine has applied all up to Slot; State and Revision.
	Applied
	// Submitted: Operation goes out in Session as Sequence, with Low.
	Submitted
	// Invoked and Returned: a client begins and ends Operation.
	Invoked
	Returned
	// Told: a role told Note.
	Told
	// Phased: the run enters Phase.
	Phased
	// Audited: Rows is all that the replica's store holds at the end.
	Audited
	// Stored: the store of the replica is durable through Slot.
	Stored
	// Installed: the store of the replica is a copy of another one's at Slot, in
	// State with Revision, and durable.
	Installed
	// Noted: something that only the trace wants to know, in Reason.
	Noted
)

var eventNames = [...]string{
	"", "started", "stopped", "sent", "received", "chose", "executed", "applied", "submitted",
	"invoked", "returned", "told", "phase", "audited", "stored", "installed", "noted",
}

func (k EventKind) String() string { return eventNames[k] }

// Phase is a part of a run.
type Phase uint8

// The phases, in order.
const (
	WarmUp   Phase = iota + 1 // no faults
	Chaos                     // faults of all kinds: safety is watched
	CoreOnly                  // a majority is healed, the rest stays broken: liveness
	Healed                    // everything is healed
	Quiet                     // no client asks any more; the rest comes to an end
)

func (p Phase) String() string {
	return [...]string{"", "warm-up", "chaos", "core only", "healed", "quiet"}[p]
}

// Row is one row of a store.
type Row struct {
	Key, Value string
	Revision   uint64
}

// Event is one thing that the tap shows. The simulator reuses it: a watcher must
// copy what it wants to keep. What the pointers lead to is never changed later,
// except an Operation, which its client fills until it is returned.
type Event struct {
	Kind      EventKind
	At        Time
	Agent     paxos.Address
	Step      uint64
	Envelope  *paxos.Envelope
	Entry     *paxos.Entry
	Slot      paxos.Slot
	State     uint64
	Revision  uint64
	Command   *kv.Command
	Result    *session.Result
	Operation *Operation
	Session   session.ID
	Sequence  uint64
	Low       uint64
	Note      *paxos.Event
	Phase     Phase
	Rows      []Row
	Refusing  bool
	Reason    string
}

// Outcome is what a client knows about its operation.
type Outcome uint8

// The outcomes. An update of outcome Refused is certain not to be executed, now or
// later; one of outcome Unknown may be executed at any time from its begin on.
const (
	Pending Outcome = iota
	Done
	Refused
	Unknown
)

func (o Outcome) String() string {
	return [...]string{"pending", "done", "refused", "unknown"}[o]
}

// Get is an operation beside those of [kv.Op]: it never enters the log.
const Get kv.Op = 100

// Operation is one call of a client.
type Operation struct {
	ID      uint64
	Client  int
	Op      kv.Op // Put, Delete or Get
	Key     string
	Value   string // what a put writes
	Invoked Time
	// The rest is known when the operation has returned.
	Returned Time
	Outcome  Outcome
	// Slot and Index say where an update was executed. For a get, Slot is the
	// applied slot of the state that it was answered from.
	Slot  paxos.Slot
	Index uint32
	// Found, Read and Revision are a get's answer; Revision is an update's too.
	Found    bool
	Read     string
	Revision uint64
	// Stale: the client asked for whatever the replica has. Order is not promised.
	Stale bool
	// Expired: the outcome is unknown because the client's session ended.
	Expired bool
}

// Name is the operation as a word.
func (o *Operation) Name() string {
	if o.Op == Get {
		return "get"
	}
	return o.Op.String()
}

func (o *Operation) String() string {
	text := fmt.Sprintf("operation %d of client %d: %s %q", o.ID, o.Client, o.Name(), o.Key)
	if o.Op == kv.Put {
		text += fmt.Sprintf(" = %q", o.Value)
	}
	return text
}

// Position is a place in the one order: a command of a slot, or behind all of
// them, where a read stands.
type Position struct {
	Slot  paxos.Slot
	Index uint32
}

// Behind is the index of a read at a slot: after all of the slot's commands.
const Behind = ^uint32(0)

// Before reports whether p comes before o.
func (p Position) Before(o Position) bool {
	return p.Slot < o.Slot || p.Slot == o.Slot && p.Index < o.Index
}

func (p Position) String() string {
	if p.Index == Behind {
		return fmt.Sprintf("slot %d's end", p.Slot)
	}
	return fmt.Sprintf("slot %d index %d", p.Slot, p.Index)
}

// position is where the operation stands in the one order.
func (o *Operation) position() Position {
	if o.Op == Get {
		return Position{o.Slot, Behind}
	}
	return Position{o.Slot, o.Index}
}
