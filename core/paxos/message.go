package paxos

import "fmt"

// Roles is a set of Lamport's roles, and of the two helpers around them.
type Roles uint8

// The roles. A message may go to several roles of a replica in one frame.
const (
	RoleProposer Roles = 1 << iota
	RoleAcceptor
	RoleLearner
	RoleGateway
)

func (r Roles) String() string {
	switch r {
	case RoleProposer:
		return "proposer"
	case RoleAcceptor:
		return "acceptor"
	case RoleLearner:
		return "learner"
	case RoleGateway:
		return "gateway"
	}
	text := ""
	for bit := RoleProposer; bit <= RoleGateway; bit <<= 1 {
		if r&bit != 0 {
			if text != "" {
				text += "+"
			}
			text += bit.String()
		}
	}
	return text
}

// Address names roles of a replica.
type Address struct {
	Replica ReplicaID
	Roles   Roles
}

func (a Address) String() string { return a.Replica.String() + "." + a.Roles.String() }

// Envelope is a message on its way. Messages are shared between receivers and
// must never be changed after they were sent.
type Envelope struct {
	Cluster ClusterID
	From    Address
	// Incarnation is that of the sending replica's acceptor.
	Incarnation Incarnation
	To          Address
	Message     Message
}

// Message is one of the types below, always by pointer.
type Message interface{ Kind() Kind }

// Kind numbers the messages; the numbers are part of the wire format.
type Kind uint16

// The kinds of messages, grouped by conversation. Never renumbered.
const (
	KindPropose        Kind = 1
	KindForward        Kind = 2
	KindCanvass        Kind = 3
	KindCanvassReply   Kind = 4
	KindHeartbeat      Kind = 5
	KindHeartbeatReply Kind = 6
	KindPrepare        Kind = 7
	KindPromise        Kind = 8
	KindNack           Kind = 9
	KindAccept         Kind = 10
	KindAccepted       Kind = 11
	KindChosenRuns     Kind = 12
	KindClose          Kind = 13
	KindReadQuery      Kind = 14
	KindReadAnswer     Kind = 15
	KindFetch          Kind = 16
	KindHeld           Kind = 17
	KindApplied        Kind = 18
	KindRefusing       Kind = 19
	KindLinkDown       Kind = 20
	KindRead           Kind = 21
	KindCheckpoint     Kind = 22
	KindBelowFloor     Kind = 23
	KindRecoverQuery   Kind = 24
	KindRecoverInfo    Kind = 25
	KindRecover        Kind = 26
	KindRecoverState   Kind = 27
	KindRecovering     Kind = 28
	KindRevived        Kind = 29
	KindSnapshotReady  Kind = 30
	KindRemembered     Kind = 31
)

var kindNames = [...]string{
	KindPropose: "Propose", KindForward: "Forward", KindCanvass: "Canvass",
	KindCanvassReply: "CanvassReply", KindHeartbeat: "Heartbeat",
	KindHeartbeatReply: "HeartbeatReply", KindPrepare: "Prepare",
	KindPromise: "Promise", KindNack: "Nack", KindAccept: "Accept",
	KindAccepted: "Accepted", KindChosenRuns: "ChosenRuns", KindClose: "Close",
	KindReadQuery: "ReadQuery", KindReadAnswer: "ReadAnswer", KindFetch: "Fetch",
	KindHeld: "Held", KindApplied: "Applied", KindRefusing: "Refusing",
	KindLinkDown: "LinkDown", KindRead: "Read", KindCheckpoint: "Checkpoint",
	KindBelowFloor: "BelowFloor", KindRecoverQuery: "RecoverQuery", KindRecoverInfo: "RecoverInfo",
	KindRecover: "Recover", KindRecoverState: "RecoverState", KindRecovering: "Recovering",
	KindRevived: "Revived", KindSnapshotReady: "SnapshotReady",
	KindRemembered: "Remembered",
}

func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint16(k))
}

// Entry is what an acceptor holds for a slot: the value of its last vote.
type Entry struct {
	Slot   Slot
	Ballot Ballot
	Value  Value
}

type (
	// Propose asks the proposer of the own replica for a place in the order.
	// It never crosses the network.
	Propose struct{ Commands [][]byte }

	// Forward carries commands to the leader's proposer. Nobody keeps them:
	// the gateway that took them tries again until they are applied.
	// Relayed is set by the one replica that may pass them on for a sender that
	// cannot hear the leader itself.
	Forward struct {
		Commands [][]byte
		Relayed  bool
	}

	// Canvass is the pre-ballot: may I campaign? It promises nothing.
	Canvass struct{ Attempt uint64 }

	// CanvassReply is an opinion, not a promise. Leader is the ballot of the
	// leader that the replier hears, if it hears one; Highest the highest round
	// it has seen; Applied how far its learner has come.
	CanvassReply struct {
		Attempt uint64
		Granted bool
		Leader  Ballot
		Highest uint64
		Applied Slot
	}

	// Heartbeat goes from the leader to proposers and learners. It states that
	// all slots from First to Chosen were chosen in this very ballot.
	Heartbeat struct {
		Ballot   Ballot
		Sequence uint64
		First    Slot
		Chosen   Slot
	}

	// HeartbeatReply tells the leader that it is heard.
	HeartbeatReply struct {
		Ballot   Ballot
		Sequence uint64
		Applied  Slot
	}

	// Prepare opens phase 1 for all slots from From on.
	Prepare struct {
		Ballot Ballot
		From   Slot
	}

	// Promise answers Prepare, in numbered parts if it is larger than a frame.
	// It counts when all its parts are there. Chosen is the end of the unbroken
	// prefix that the acceptor knows to be chosen (from what its own learner
	// told it): a proposer must not assign a new value at or below it. Floor is
	// the last slot that it has cut: it reports nothing up to there, and nobody
	// may propose there.
	Promise struct {
		Ballot  Ballot
		From    Slot
		Vector  Vector
		Floor   Slot
		Chosen  Slot
		Part    uint32
		Parts   uint32
		Entries []Entry
	}

	// Nack refuses Prepare or Accept of Ballot because of a higher promise.
	Nack struct{ Ballot, Promised Ballot }

	// Accept is phase 2 for one slot. It reaches acceptors and learners.
	Accept struct {
		Ballot Ballot
		Slot   Slot
		Value  Value
	}

	// Accepted is a vote for each slot from First to Last, all in one ballot,
	// sent only as the answer to Accept. Chosen is as in Promise.
	Accepted struct {
		Ballot      Ballot
		First, Last Slot
		Vector      Vector
		Chosen      Slot
	}

	// ChosenRuns goes from a learner to the acceptor of its own replica.
	ChosenRuns struct{ Runs []ChosenRun }

	// Close asks the leader to have all slots from First to Last decided. Stuck
	// says that nobody could prove the value of First to the learner although
	// it has asked everyone: the leader then opens the slot again.
	Close struct {
		First, Last Slot
		Stuck       bool
	}

	// ReadQuery asks acceptors for the highest slot they hold.
	ReadQuery struct{ Round ReadRound }

	// ReadAnswer answers it. It need not wait for a sync: it only grows.
	ReadAnswer struct {
		Round   ReadRound
		Highest Slot
	}

	// Fetch asks an acceptor for what it holds from First to Last, at most
	// BytesMax bytes of values. The answer never counts as a vote.
	Fetch struct {
		First, Last Slot
		BytesMax    uint32
	}

	// Held answers Fetch: entries in slot order, and the runs of chosen slots
	// that the acceptor was told by its own learner. Through is the last slot
	// that the answer speaks about; Highest the highest slot it holds at all.
	// Floor is the last slot it has cut: all up to there is chosen, and whoever
	// lacks it needs a snapshot from that replica.
	Held struct {
		First, Through Slot
		Highest        Slot
		Entries        []Entry
		Runs           []ChosenRun
		Floor          Slot
	}

	// Applied tells the proposer of the own replica how far its learner is.
	Applied struct{ Slot Slot }

	// Refusing is the answer of an acceptor that cannot prove its state
	// complete: it neither promises nor votes nor answers reads.
	Refusing struct{ Reason string }

	// Checkpoint tells the acceptor of the own replica that the replica's store
	// is complete and durable through Slot. It never crosses the network.
	Checkpoint struct{ Slot Slot }

	// BelowFloor answers an Accept of Ballot for a slot that the acceptor has
	// cut: everything through Floor is chosen. It is no vote.
	BelowFloor struct {
		Ballot Ballot
		Floor  Slot
	}

	// RecoverQuery asks, for one attempt of a recovery, which incarnation of the
	// sender's acceptor others know; RecoverInfo answers it. RecoverInfo also
	// answers a Recover of an incarnation that is not new.
	RecoverQuery struct{ Nonce Nonce }
	RecoverInfo  struct {
		Nonce Nonce
		Known Incarnation
	}

	// Recover announces the sender's new incarnation and asks for what the
	// receiver holds from slot From on.
	Recover struct {
		Nonce       Nonce
		Incarnation Incarnation
		From        Slot
	}

	// RecoverState answers Recover with the entries from slot From through
	// Through, all above Floor. Vector, Promised and Floor are those of the moment
	// of the answer. Last says that the answer reaches the end. An acceptor's
	// answers count once its last one is there.
	RecoverState struct {
		Nonce         Nonce
		Incarnation   Incarnation // of the acceptor that recovers
		Vector        Vector
		Promised      Ballot
		Floor         Slot
		From, Through Slot
		Last          bool
		Entries       []Entry
	}

	// Recovering is the answer of an acceptor that has lost its state and is
	// about to earn its vote back. It counts nowhere, not for reads either.
	Recovering struct{ Nonce Nonce }

	// Revived tells the other acceptors in which life the sender is, which lives
	// of the others it knows, and how much it remembers: its promise and the
	// highest slot it holds.
	Revived struct {
		Vector   Vector
		Promised Ballot
		Highest  Slot
	}

	// Remembered tells an acceptor what it has said of itself in a life. If it
	// remembers less, its log was put back to an earlier state.
	Remembered struct {
		Incarnation Incarnation
		Promised    Ballot
		Highest     Slot
	}

	// SnapshotReady tells the learner that a copy of another replica's state at
	// Slot is here and durable, to be installed at its word (see
	// [Output.Install]). It never crosses the network.
	SnapshotReady struct{ Slot Slot }

	// LinkDown is the host's hint that the connection to a replica broke. It
	// may be wrong; only the pre-ballot is started early because of it.
	LinkDown struct{ Replica ReplicaID }

	// Read asks the learner of the own replica for a linearizable point in
	// time. ID is the asker's; it comes back in [ReadDone].
	Read struct{ IDs []uint64 }
)

// ReadRound names a read round: the random run of the learner's start and a
// counter. It is never reused, so that an answer to an older round cannot be
// taken for one to this.
type ReadRound struct{ Run, Counter uint64 }

// Nonce names one attempt of one recovery: the random run of the acceptor's start
// and a counter. An answer to another attempt is worth nothing: it may have been
// read before the state was lost.
type Nonce struct {
	Run     [16]byte
	Attempt uint64
}

// Kind implements Message.
func (*Propose) Kind() Kind        { return KindPropose }
func (*Forward) Kind() Kind        { return KindForward }
func (*Canvass) Kind() Kind        { return KindCanvass }
func (*CanvassReply) Kind() Kind   { return KindCanvassReply }
func (*Heartbeat) Kind() Kind      { return KindHeartbeat }
func (*HeartbeatReply) Kind() Kind { return KindHeartbeatReply }
func (*Prepare) Kind() Kind        { return KindPrepare }
func (*Promise) Kind() Kind        { return KindPromise }
func (*Nack) Kind() Kind           { return KindNack }
func (*Accept) Kind() Kind         { return KindAccept }
func (*Accepted) Kind() Kind       { return KindAccepted }
func (*ChosenRuns) Kind() Kind     { return KindChosenRuns }
func (*Close) Kind() Kind          { return KindClose }
func (*ReadQuery) Kind() Kind      { return KindReadQuery }
func (*ReadAnswer) Kind() Kind     { return KindReadAnswer }
func (*Fetch) Kind() Kind          { return KindFetch }
func (*Held) Kind() Kind           { return KindHeld }
func (*Applied) Kind() Kind        { return KindApplied }
func (*Refusing) Kind() Kind       { return KindRefusing }
func (*LinkDown) Kind() Kind       { return KindLinkDown }
func (*Read) Kind() Kind           { return KindRead }
func (*Checkpoint) Kind() Kind     { return KindCheckpoint }
func (*BelowFloor) Kind() Kind     { return KindBelowFloor }
func (*RecoverQuery) Kind() Kind   { return KindRecoverQuery }
func (*RecoverInfo) Kind() Kind    { return KindRecoverInfo }
func (*Recover) Kind() Kind        { return KindRecover }
func (*RecoverState) Kind() Kind   { return KindRecoverState }
func (*Recovering) Kind() Kind     { return KindRecovering }
func (*Revived) Kind() Kind        { return KindRevived }
func (*SnapshotReady) Kind() Kind  { return KindSnapshotReady }
func (*Remembered) Kind() Kind     { return KindRemembered }
