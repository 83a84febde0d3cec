package paxos

import (
	"fmt"

	"synod/core/mutant"
)

// What a normal acceptor does for others that have lost their memory, and how it
// finds out that it is itself a life that has been replaced.

// revivedTicks between two messages that tell the others which life this is. A
// replica whose disk was put back to an older life hears of it by their answers.
const revivedTicks = 500

func (a *Acceptor) tellRevived(to ReplicaID, out *Output) {
	if to == Everyone {
		a.revived = a.now
		if a.cfg.Replicas == 1 {
			return
		}
	}
	a.toAcceptor(to, &Revived{Vector: a.vector, Promised: a.promised, Highest: a.highest}, out)
}

// memoryOf is what another acceptor has said that it remembers, in its latest life.
type memoryOf struct {
	life     Incarnation
	promised Ballot
	highest  Slot
}

// compareMemory keeps the most that another acceptor has said of itself in a life,
// and reminds one that says less: its log may have been put back, by a backup of its
// disk. Best effort: what nobody has heard, or everybody has forgotten in a restart,
// cannot be found out.
func (a *Acceptor) compareMemory(from ReplicaID, m *Revived, out *Output) {
	known, life := &a.memories[from-1], m.Vector.Of(from)
	switch {
	case life < known.life:
		return
	case life > known.life:
		*known = memoryOf{life: life}
	}
	if m.Promised.Less(known.promised) || m.Highest < known.highest {
		a.toAcceptor(from, &Remembered{life, known.promised, known.highest}, out)
	}
	if known.promised.Less(m.Promised) {
		known.promised = m.Promised
	}
	known.highest = max(known.highest, m.Highest)
}

// onRemembered: both only grow in a life, so whoever finds less in its memory has
// lost a part of it, however old the message is.
func (a *Acceptor) onRemembered(e *Envelope, m *Remembered, out *Output) {
	less := a.promised.Less(m.Promised) || a.highest < m.Highest
	if e.From.Replica != a.cfg.Self && m.Incarnation == a.cfg.Incarnation && less {
		a.lose(fmt.Sprintf("%s remembers more of this life than this log: it was put back to an earlier state",
			e.From.Replica), out)
	}
}

// onRevived takes over what another acceptor knows about lives. Its record is
// durable before any later answer leaves. The own incarnation is never raised by a
// message: if somebody knows a later life of this acceptor, this memory is of an
// older one, and promises were given that it does not hold.
func (a *Acceptor) onRevived(e *Envelope, m *Revived, out *Output) {
	from := e.From.Replica
	if from == a.cfg.Self || !a.plausibleLives(&m.Vector) {
		return
	}
	if m.Vector.Of(a.cfg.Self) > a.cfg.Incarnation {
		if a.cfg.Mutant.Has(mutant.M38) {
			a.cfg.Incarnation = m.Vector.Of(a.cfg.Self)
			a.vector[a.cfg.Self-1] = a.cfg.Incarnation
			return
		}
		a.lose("another acceptor knows a later life of this one: this log is from before it", out)
		return
	}
	if a.vector.Of(from) > m.Vector.Of(from) {
		a.tellRevived(from, out) // it is an older life, and has to hear of it
		return
	}
	a.raiseLives(&m.Vector, out)
	a.compareMemory(from, m, out)
}

// incarnationsAheadMax bounds how much later than the known one a life may be, so
// that one damaged number cannot use up all numbers.
const incarnationsAheadMax = 1 << 32

func (a *Acceptor) plausibleLives(v *Vector) bool {
	for i := range v {
		if v[i] > a.vector[i]+incarnationsAheadMax {
			return false
		}
	}
	return true
}

func (a *Acceptor) raiseLives(v *Vector, out *Output) {
	if a.vector.raise(a.cfg.Self, v) {
		out.Records = append(out.Records, Record{Kind: RecordVector, Vector: a.vector})
	}
}

// onRecoverQuery says which life of the sender is known here.
func (a *Acceptor) onRecoverQuery(e *Envelope, m *RecoverQuery, out *Output) {
	if e.From.Replica == a.cfg.Self {
		return
	}
	a.toAcceptor(e.From.Replica, &RecoverInfo{Nonce: m.Nonce, Known: a.vector.Of(e.From.Replica)}, out)
}

// onRecover records the new life of another acceptor and then tells it a part of
// what is held here. Everything told was read after the record, and the record is
// durable before the answer leaves: whatever this acceptor says from now on counts
// no more with what the other one said in an older life.
func (a *Acceptor) onRecover(e *Envelope, m *Recover, out *Output) {
	from := e.From.Replica
	if from == a.cfg.Self || m.Incarnation > a.vector.Of(from)+incarnationsAheadMax {
		return
	}
	if a.vector.Of(from) > m.Incarnation {
		a.toAcceptor(from, &RecoverInfo{Nonce: m.Nonce, Known: a.vector.Of(from)}, out)
		return
	}
	state := a.stateFrom(m)
	if !a.cfg.Mutant.Has(mutant.M25c) || state.Last {
		var lives Vector
		lives[from-1] = m.Incarnation
		a.raiseLives(&lives, out)
	}
	state.Vector = a.vector
	if a.cfg.Mutant.Has(mutant.M21) {
		out.Prompt = append(out.Prompt, a.cfg.envelope(RoleAcceptor, Address{from, RoleAcceptor}, state))
		return
	}
	a.toAcceptor(from, state, out)
}

// stateFrom is the part of this acceptor's memory that begins at a slot.
func (a *Acceptor) stateFrom(m *Recover) *RecoverState {
	state := &RecoverState{
		Nonce: m.Nonce, Incarnation: m.Incarnation, Promised: a.promised, Floor: a.floor, From: m.From,
		Through: max(a.highest, m.From), Last: true,
	}
	size := 0
	for s := a.votes.next(m.From); s <= a.highest; s = a.votes.next(s + 1) {
		entry, _ := a.entry(s)
		if size > 0 && size+len(entry.Value) > a.options.PartBytesMax {
			state.Last, state.Through = false, state.Entries[len(state.Entries)-1].Slot
			break
		}
		state.Entries = append(state.Entries, entry)
		size += len(entry.Value) + entryOverheadBytes
	}
	return state
}

// votesAgain is what an acceptor must not do: a vote for an entry that it holds,
// in a ballot below its promise.
func (a *Acceptor) votesAgain(m *Accept) bool {
	held, ok := a.ballotOf(m.Slot)
	return a.cfg.Mutant.Has(mutant.M35) && ok && held == m.Ballot
}
