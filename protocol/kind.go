package protocol

import (
	"fmt"

	"synod/core/paxos"
)

// Kind numbers what a frame carries. Numbers are never used twice; 0 and
// 0xFFFF are nobody's; 0xF000 to 0xFFFE are for experiments. A kind with the
// bit [OptionalKind] may be skipped by who does not know it; every other
// unknown kind ends the session.
type Kind uint16

// OptionalKind marks kinds that a reader may skip.
const OptionalKind Kind = 0x8000

// Kinds of frames on every stream. Kinds from 1 to 0xEF are those of
// [paxos.Kind], between replicas.
const (
	// KindPing is answered with KindPong, same request id, at once.
	KindPing Kind = 0x00F0
	KindPong Kind = 0x00F1
	// KindLeaving says that its sender takes no new requests on this session;
	// what is in flight is still answered.
	KindLeaving Kind = 0x00F2
	// KindSnapshotAsk and KindSnapshotChunk carry a replica's state to another one,
	// on a bulk connection.
	KindSnapshotAsk   Kind = 0x00F3
	KindSnapshotChunk Kind = 0x00F4
	// KindCondition tells other replicas how whole this one is.
	KindCondition Kind = 0x00F5
	// KindStream is the first frame of a stream, from its dialler: its purpose.
	KindStream Kind = 0x00F8
)

// Kinds of a client's requests and their answers.
const (
	KindOpenSession Kind = 0x0101
	KindUpdate      Kind = 0x0102
	KindGet         Kind = 0x0103
	KindScan        Kind = 0x0104
	KindOneShot     Kind = 0x0105

	KindSessionOpened Kind = 0x0181
	KindUpdated       Kind = 0x0182
	KindGot           Kind = 0x0183
	KindScanned       Kind = 0x0184
	// KindError answers any request, of operators too: see [Error].
	KindError Kind = 0x01FF
)

// Kinds of an operator's requests and their answers; the bodies are JSON.
const (
	KindHello           Kind = 0x0201
	KindStatusSubscribe Kind = 0x0202
	KindRole            Kind = 0x0203
	KindChaos           Kind = 0x0204
	KindLogSubscribe    Kind = 0x0205
	KindLink            Kind = 0x0206
	KindFaultClear      Kind = 0x0207
	KindSlotsQuery      Kind = 0x0208
	KindBallotsQuery    Kind = 0x0209
	KindDigestQuery     Kind = 0x020A

	KindHelloAnswer Kind = 0x0281
	KindStatus      Kind = 0x0282
	// KindDone answers KindRole, KindChaos, KindLink and KindFaultClear.
	KindDone     Kind = 0x0283
	KindLogLines Kind = 0x0285
	KindSlots    Kind = 0x0288
	KindBallots  Kind = 0x0289
	KindDigest   Kind = 0x028A
)

var kindNames = map[Kind]string{
	KindPing: "Ping", KindPong: "Pong", KindLeaving: "Leaving", KindStream: "Stream",
	KindSnapshotAsk: "SnapshotAsk", KindSnapshotChunk: "SnapshotChunk",
	KindCondition:   "Condition",
	KindOpenSession: "OpenSession", KindUpdate: "Update", KindGet: "Get", KindScan: "Scan", KindOneShot: "OneShot",
	KindSessionOpened: "SessionOpened", KindUpdated: "Updated", KindGot: "Got", KindScanned: "Scanned",
	KindError: "Error", KindHello: "Hello", KindStatusSubscribe: "StatusSubscribe", KindRole: "Role",
	KindChaos: "Chaos", KindLogSubscribe: "LogSubscribe", KindHelloAnswer: "HelloAnswer",
	KindStatus: "Status", KindDone: "Done", KindLogLines: "LogLines",
	KindLink: "Link", KindFaultClear: "FaultClear", KindSlotsQuery: "SlotsQuery", KindBallotsQuery: "BallotsQuery",
	KindDigestQuery: "DigestQuery", KindSlots: "Slots", KindBallots: "Ballots", KindDigest: "Digest",
}

// Optional reports whether a reader that does not know the kind may skip it.
func (k Kind) Optional() bool { return k&OptionalKind != 0 && k != 0xFFFF }

// Peer reports whether the kind is one of [paxos.Kind].
func (k Kind) Peer() bool { return k > 0 && k < KindPing }

func (k Kind) String() string {
	if k.Peer() {
		return paxos.Kind(k).String()
	}
	if name, ok := kindNames[k]; ok {
		return name
	}
	return fmt.Sprintf("Kind(%#04x)", uint16(k))
}
