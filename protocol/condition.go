package protocol

import (
	"encoding/binary"

	"synod/core/paxos"
)

// Condition is what replicas tell each other about how whole they are, several
// times a second, so that no fault is injected that costs the state of more
// replicas than can be spared. It says everything anew each time; the newest counts.
type Condition struct {
	// Run and Sequence order the conditions of one process.
	Run, Sequence uint64
	// Whole: the acceptor votes and the learner applies; nothing is lost here.
	Whole bool
	// Durable is the slot through which the applied state is durable.
	Durable uint64
	// Want is the permit to lose the own state that is asked for or held, 0 if none.
	Want uint64
	// Grants are the permits granted to the replicas, in their order, 0 for none.
	Grants []uint64
}

// Append appends the whole frame.
func (m *Condition) Append(dst []byte) []byte {
	dst, at := BeginFrame(dst)
	for _, n := range [...]uint64{m.Run, m.Sequence} {
		dst = binary.AppendUvarint(dst, n)
	}
	dst = appendBool(dst, m.Whole)
	for _, n := range [...]uint64{m.Durable, m.Want, uint64(len(m.Grants))} {
		dst = binary.AppendUvarint(dst, n)
	}
	for _, grant := range m.Grants {
		dst = binary.AppendUvarint(dst, grant)
	}
	return EndFrame(dst, at, Frame{Kind: KindCondition})
}

// DecodeCondition reads the body of a KindCondition frame.
func DecodeCondition(body []byte) (Condition, error) {
	d := decoder{rest: body}
	m := Condition{
		Run: d.uvarint(), Sequence: d.uvarint(), Whole: d.boolean(), Durable: d.uvarint(), Want: d.uvarint(),
	}
	for range d.count(1, paxos.ReplicasMax) {
		m.Grants = append(m.Grants, d.uvarint())
	}
	return m, d.done(KindCondition)
}
