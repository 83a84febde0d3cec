package protocol

import (
	"encoding/binary"
	"fmt"

	"synod/core/paxos"
)

// The smallest encodings, by which announced counts are bounded.
const (
	ballotBytesMin  = 1 + 1 + 8
	entryBytesMin   = 1 + ballotBytesMin + 1
	runBytesMin     = ballotBytesMin + 1 + 1
	commandBytesMin = 1 + 1
)

// peerOverheadMax is more than all of an envelope but its commands, entries
// and runs takes in a frame.
const peerOverheadMax = HeaderBytes + 256

// PeerBatchBytes is how many bytes of entries, runs or commands surely fit into
// one frame between replicas, counted with [EntryBytes] for an entry.
const PeerBatchBytes = PeerFrameBytesMax - peerOverheadMax

// EntryBytes is the most that an entry with a value of n bytes takes in a frame.
func EntryBytes(n int) int { return n + 3*binary.MaxVarintLen64 + 1 + 8 }

// crosses tells which messages may come from another replica. The others stay
// inside one; a frame with such a kind is forged or a bug.
func crosses(kind paxos.Kind) bool {
	switch kind {
	case paxos.KindPropose, paxos.KindApplied, paxos.KindLinkDown, paxos.KindRead, paxos.KindChosenRuns,
		paxos.KindCheckpoint, paxos.KindSnapshotReady:
		return false
	default:
		return true
	}
}

// AppendEnvelope appends the envelope as one whole frame to dst. An envelope
// to [paxos.Everyone] is coded as such, so that its bytes can be shared by all
// links. It panics on a message that never leaves its replica, and on a frame
// above [PeerFrameBytesMax], which the sender has to cut into parts.
func AppendEnvelope(dst []byte, e *paxos.Envelope) []byte {
	kind := e.Message.Kind()
	dst, at := BeginFrame(dst)
	dst = append(dst, e.Cluster[:]...)
	dst = append(dst, byte(e.From.Replica), byte(e.From.Roles), byte(e.To.Replica), byte(e.To.Roles))
	dst = binary.AppendUvarint(dst, uint64(e.Incarnation))
	dst = appendMessage(dst, e.Message)
	if size := len(dst) - at; size > PeerFrameBytesMax {
		panic(fmt.Sprintf("protocol: %s of %d bytes, cut it below %d", kind, size, PeerFrameBytesMax))
	}
	return EndFrame(dst, at, Frame{Kind: Kind(kind)})
}

func appendMessage(dst []byte, message paxos.Message) []byte {
	switch m := message.(type) {
	case *paxos.Forward:
		return appendBool(appendCommands(dst, m.Commands), m.Relayed)
	case *paxos.Canvass:
		return binary.AppendUvarint(dst, m.Attempt)
	case *paxos.CanvassReply:
		dst = appendBool(binary.AppendUvarint(dst, m.Attempt), m.Granted)
		dst = binary.AppendUvarint(appendBallot(dst, m.Leader), m.Highest)
		return appendSlot(dst, m.Applied)
	case *paxos.Heartbeat:
		dst = binary.AppendUvarint(appendBallot(dst, m.Ballot), m.Sequence)
		return appendSlot(appendSlot(dst, m.First), m.Chosen)
	case *paxos.HeartbeatReply:
		dst = binary.AppendUvarint(appendBallot(dst, m.Ballot), m.Sequence)
		return appendSlot(dst, m.Applied)
	case *paxos.Prepare:
		return appendSlot(appendBallot(dst, m.Ballot), m.From)
	case *paxos.Promise:
		return appendPromise(dst, m)
	case *paxos.Nack:
		return appendBallot(appendBallot(dst, m.Ballot), m.Promised)
	case *paxos.Accept:
		return appendBytes(appendSlot(appendBallot(dst, m.Ballot), m.Slot), m.Value)
	case *paxos.Accepted:
		dst = appendSlot(appendSlot(appendBallot(dst, m.Ballot), m.First), m.Last)
		return appendSlot(appendVector(dst, &m.Vector), m.Chosen)
	case *paxos.Close:
		return appendBool(appendSlot(appendSlot(dst, m.First), m.Last), m.Stuck)
	case *paxos.ReadQuery:
		return appendRound(dst, m.Round)
	case *paxos.ReadAnswer:
		return appendSlot(appendRound(dst, m.Round), m.Highest)
	case *paxos.Fetch:
		return binary.AppendUvarint(appendSlot(appendSlot(dst, m.First), m.Last), uint64(m.BytesMax))
	case *paxos.Held:
		return appendHeld(dst, m)
	case *paxos.Refusing:
		return appendBytes(dst, sentence(m.Reason))
	}
	return appendRecovery(dst, message)
}

// appendRecovery appends what acceptors say about cut and lost memory.
func appendRecovery(dst []byte, message paxos.Message) []byte {
	switch m := message.(type) {
	case *paxos.BelowFloor:
		return appendSlot(appendBallot(dst, m.Ballot), m.Floor)
	case *paxos.RecoverQuery:
		return appendNonce(dst, &m.Nonce)
	case *paxos.RecoverInfo:
		return binary.AppendUvarint(appendNonce(dst, &m.Nonce), uint64(m.Known))
	case *paxos.Recover:
		return appendSlot(binary.AppendUvarint(appendNonce(dst, &m.Nonce), uint64(m.Incarnation)), m.From)
	case *paxos.RecoverState:
		dst = binary.AppendUvarint(appendNonce(dst, &m.Nonce), uint64(m.Incarnation))
		dst = appendSlot(appendBallot(appendVector(dst, &m.Vector), m.Promised), m.Floor)
		dst = appendBool(appendSlot(appendSlot(dst, m.From), m.Through), m.Last)
		return appendEntries(dst, m.Entries)
	case *paxos.Recovering:
		return appendNonce(dst, &m.Nonce)
	case *paxos.Revived:
		return appendSlot(appendBallot(appendVector(dst, &m.Vector), m.Promised), m.Highest)
	case *paxos.Remembered:
		return appendSlot(appendBallot(binary.AppendUvarint(dst, uint64(m.Incarnation)), m.Promised), m.Highest)
	}
	panic(fmt.Sprintf("protocol: %s never leaves its replica", message.Kind()))
}

func appendPromise(dst []byte, m *paxos.Promise) []byte {
	dst = appendVector(appendSlot(appendBallot(dst, m.Ballot), m.From), &m.Vector)
	dst = appendSlot(appendSlot(dst, m.Floor), m.Chosen)
	dst = binary.AppendUvarint(dst, uint64(m.Part))
	dst = binary.AppendUvarint(dst, uint64(m.Parts))
	return appendEntries(dst, m.Entries)
}

func appendHeld(dst []byte, m *paxos.Held) []byte {
	dst = appendSlot(appendSlot(appendSlot(dst, m.First), m.Through), m.Highest)
	dst = appendEntries(dst, m.Entries)
	dst = binary.AppendUvarint(dst, uint64(len(m.Runs)))
	for i := range m.Runs {
		run := &m.Runs[i]
		dst = appendSlot(appendSlot(appendBallot(dst, run.Ballot), run.First), run.Last)
	}
	return appendSlot(dst, m.Floor)
}

func appendNonce(dst []byte, n *paxos.Nonce) []byte {
	return binary.AppendUvarint(append(dst, n.Run[:]...), n.Attempt)
}

func appendSlot(dst []byte, s paxos.Slot) []byte { return binary.AppendUvarint(dst, uint64(s)) }

func appendBallot(dst []byte, b paxos.Ballot) []byte {
	dst = append(binary.AppendUvarint(dst, b.Round), byte(b.Replica))
	return binary.BigEndian.AppendUint64(dst, b.Run)
}

func appendRound(dst []byte, r paxos.ReadRound) []byte {
	return binary.AppendUvarint(binary.BigEndian.AppendUint64(dst, r.Run), r.Counter)
}

func appendVector(dst []byte, v *paxos.Vector) []byte {
	for _, incarnation := range v {
		dst = binary.AppendUvarint(dst, uint64(incarnation))
	}
	return dst
}

func appendCommands(dst []byte, commands [][]byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(commands)))
	for _, command := range commands {
		dst = appendBytes(dst, command)
	}
	return dst
}

func appendEntries(dst []byte, entries []paxos.Entry) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		dst = appendBytes(appendBallot(appendSlot(dst, e.Slot), e.Ballot), e.Value)
	}
	return dst
}

// DecodeEnvelope reads a frame between replicas. Values and commands are slices
// of the frame's body, which the frame therefore owns afterwards (see
// [Frame.Own]); nothing else of the body is kept. A message that never crosses
// the network is refused, as are numbers of replicas and roles that do not
// exist; whether the cluster is the own one is the receiver's business.
func DecodeEnvelope(f Frame) (paxos.Envelope, error) {
	kind := paxos.Kind(f.Kind)
	if !f.Kind.Peer() || !crosses(kind) {
		return paxos.Envelope{}, fmt.Errorf("%w: kind %s does not travel between replicas", ErrMalformed, f.Kind)
	}
	switch kind {
	case paxos.KindForward, paxos.KindPromise, paxos.KindAccept, paxos.KindHeld, paxos.KindRecoverState:
		f.Own()
	}
	d := decoder{rest: f.Body}
	var e paxos.Envelope
	copy(e.Cluster[:], d.take(len(e.Cluster)))
	e.From = paxos.Address{Replica: d.replica(), Roles: d.roles()}
	e.To = paxos.Address{Replica: d.replica(), Roles: d.roles()}
	if e.From.Replica == paxos.Everyone {
		d.fail("sent by nobody")
	}
	e.Incarnation = paxos.Incarnation(d.uvarint())
	e.Message = d.message(kind)
	if err := d.done(f.Kind); err != nil {
		return paxos.Envelope{}, err
	}
	return e, nil
}

func (d *decoder) message(kind paxos.Kind) paxos.Message {
	switch kind {
	case paxos.KindForward:
		return &paxos.Forward{Commands: d.commands(), Relayed: d.boolean()}
	case paxos.KindCanvass:
		return &paxos.Canvass{Attempt: d.uvarint()}
	case paxos.KindCanvassReply:
		return &paxos.CanvassReply{
			Attempt: d.uvarint(), Granted: d.boolean(), Leader: d.ballot(), Highest: d.uvarint(), Applied: d.slot(),
		}
	case paxos.KindHeartbeat:
		return &paxos.Heartbeat{Ballot: d.ballot(), Sequence: d.uvarint(), First: d.slot(), Chosen: d.slot()}
	case paxos.KindHeartbeatReply:
		return &paxos.HeartbeatReply{Ballot: d.ballot(), Sequence: d.uvarint(), Applied: d.slot()}
	case paxos.KindPrepare:
		return &paxos.Prepare{Ballot: d.ballot(), From: d.slot()}
	case paxos.KindPromise:
		return &paxos.Promise{
			Ballot: d.ballot(), From: d.slot(), Vector: d.vector(), Floor: d.slot(), Chosen: d.slot(),
			Part: d.uvarint32(), Parts: d.uvarint32(), Entries: d.entries(),
		}
	case paxos.KindNack:
		return &paxos.Nack{Ballot: d.ballot(), Promised: d.ballot()}
	case paxos.KindAccept:
		return &paxos.Accept{Ballot: d.ballot(), Slot: d.slot(), Value: d.bytes(PeerFrameBytesMax)}
	case paxos.KindAccepted:
		return &paxos.Accepted{
			Ballot: d.ballot(), First: d.slot(), Last: d.slot(), Vector: d.vector(), Chosen: d.slot(),
		}
	case paxos.KindClose:
		return &paxos.Close{First: d.slot(), Last: d.slot(), Stuck: d.boolean()}
	case paxos.KindReadQuery:
		return &paxos.ReadQuery{Round: d.round()}
	case paxos.KindReadAnswer:
		return &paxos.ReadAnswer{Round: d.round(), Highest: d.slot()}
	case paxos.KindFetch:
		return &paxos.Fetch{First: d.slot(), Last: d.slot(), BytesMax: d.uvarint32()}
	case paxos.KindHeld:
		return &paxos.Held{
			First: d.slot(), Through: d.slot(), Highest: d.slot(), Entries: d.entries(), Runs: d.runs(), Floor: d.slot(),
		}
	case paxos.KindRefusing:
		return &paxos.Refusing{Reason: string(d.bytes(SentenceBytesMax))}
	}
	return d.recovery(kind)
}

func (d *decoder) recovery(kind paxos.Kind) paxos.Message {
	switch kind {
	case paxos.KindBelowFloor:
		return &paxos.BelowFloor{Ballot: d.ballot(), Floor: d.slot()}
	case paxos.KindRecoverQuery:
		return &paxos.RecoverQuery{Nonce: d.nonce()}
	case paxos.KindRecoverInfo:
		return &paxos.RecoverInfo{Nonce: d.nonce(), Known: paxos.Incarnation(d.uvarint())}
	case paxos.KindRecover:
		return &paxos.Recover{Nonce: d.nonce(), Incarnation: paxos.Incarnation(d.uvarint()), From: d.slot()}
	case paxos.KindRecoverState:
		return &paxos.RecoverState{
			Nonce: d.nonce(), Incarnation: paxos.Incarnation(d.uvarint()), Vector: d.vector(), Promised: d.ballot(),
			Floor: d.slot(), From: d.slot(), Through: d.slot(), Last: d.boolean(), Entries: d.entries(),
		}
	case paxos.KindRecovering:
		return &paxos.Recovering{Nonce: d.nonce()}
	case paxos.KindRevived:
		return &paxos.Revived{Vector: d.vector(), Promised: d.ballot(), Highest: d.slot()}
	case paxos.KindRemembered:
		return &paxos.Remembered{Incarnation: paxos.Incarnation(d.uvarint()), Promised: d.ballot(), Highest: d.slot()}
	}
	d.fail("kind %d is not known, the sender may be of a later version", kind)
	return nil
}

func (d *decoder) slot() paxos.Slot { return paxos.Slot(d.uvarint()) }

func (d *decoder) replica() paxos.ReplicaID {
	r := d.u8()
	if r > paxos.ReplicasMax {
		d.fail("replica %d of at most %d", r, paxos.ReplicasMax)
	}
	return paxos.ReplicaID(r)
}

func (d *decoder) roles() paxos.Roles {
	const all = paxos.RoleProposer | paxos.RoleAcceptor | paxos.RoleLearner | paxos.RoleGateway
	r := paxos.Roles(d.u8())
	if r == 0 || r&^all != 0 {
		d.fail("set of roles %#x", uint8(r))
	}
	return r
}

func (d *decoder) ballot() paxos.Ballot {
	return paxos.Ballot{Round: d.uvarint(), Replica: d.replica(), Run: d.u64()}
}

func (d *decoder) round() paxos.ReadRound {
	return paxos.ReadRound{Run: d.u64(), Counter: d.uvarint()}
}

func (d *decoder) nonce() (n paxos.Nonce) {
	copy(n.Run[:], d.take(len(n.Run)))
	n.Attempt = d.uvarint()
	return n
}

func (d *decoder) vector() (v paxos.Vector) {
	for i := range v {
		v[i] = paxos.Incarnation(d.uvarint())
	}
	return v
}

func (d *decoder) commands() [][]byte {
	commands := make([][]byte, d.count(commandBytesMin, CommandsMax))
	for i := range commands {
		if commands[i] = d.bytes(PeerFrameBytesMax); len(commands[i]) == 0 {
			d.fail("command %d is empty", i)
			return nil
		}
	}
	return commands
}

func (d *decoder) entries() []paxos.Entry {
	n := d.count(entryBytesMin, PeerFrameBytesMax)
	if n == 0 {
		return nil
	}
	entries := make([]paxos.Entry, n)
	for i := range entries {
		entries[i] = paxos.Entry{Slot: d.slot(), Ballot: d.ballot(), Value: d.bytes(PeerFrameBytesMax)}
		if d.err != nil {
			return nil
		}
	}
	return entries
}

func (d *decoder) runs() []paxos.ChosenRun {
	n := d.count(runBytesMin, PeerFrameBytesMax)
	if n == 0 {
		return nil
	}
	runs := make([]paxos.ChosenRun, n)
	for i := range runs {
		runs[i] = paxos.ChosenRun{Ballot: d.ballot(), First: d.slot(), Last: d.slot()}
		if d.err != nil {
			return nil
		}
	}
	return runs
}
