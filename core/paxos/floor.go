package paxos

import (
	"fmt"

	"synod/core/mutant"
)

// The floor of an acceptor is local: it may cut what its own replica's store holds
// durably, and nothing else. No other replica is asked and none is told; a floor on
// which replicas agree would be a quorum of its own, and not a stable one. Whoever
// lacks what everybody has cut takes a snapshot from a replica that has cut it.

// cutSlotsMin is the least number of slots worth a record of a new floor, unless
// so few are kept at all.
const cutSlotsMin = 1024

// onCheckpoint takes the word of the own replica that its store is complete and
// durable through a slot. A store that holds less than was cut here has been lost,
// and with it what this acceptor is a witness of.
func (a *Acceptor) onCheckpoint(e *Envelope, m *Checkpoint, out *Output) {
	if e.From.Replica != a.cfg.Self {
		return
	}
	if m.Slot < a.floor {
		if !a.careless() {
			a.lose(fmt.Sprintf("the store of this replica is complete through slot %d only, but slots through %d "+
				"were cut from the log", m.Slot, a.floor), out)
		}
		return
	}
	if a.checkpoint < a.floor {
		a.newlyNormal = true
		out.Events = append(out.Events, Event{
			Kind: EventNormal, Ballot: a.promised, Slot: a.floor, Incarnation: a.cfg.Incarnation,
			Reason: "the own store holds what was cut",
		})
	}
	a.checkpoint = m.Slot
	a.chosen = max(a.chosen, m.Slot)
	if floor := a.floorWanted(); floor > a.floor {
		a.cut(floor)
		out.Records = append(out.Records, Record{Kind: RecordFloor, Slot: floor})
		out.Events = append(out.Events, Event{Kind: EventFloor, Slot: floor})
	}
}

// careless acceptors do not look whether the store holds what they cut.
func (a *Acceptor) careless() bool {
	return a.cfg.Mutant.Has(mutant.M24) || a.cfg.Mutant.Has(mutant.M25) || a.cfg.Mutant.Has(mutant.M25b)
}

// floorWanted is where the floor should be: below the checkpoint by what is kept
// for others, and never above it. Small steps are not worth a record.
func (a *Acceptor) floorWanted() Slot {
	if !a.options.Cuts {
		return a.floor
	}
	limit, keep := a.checkpoint, a.options.KeepSlots
	if a.cfg.Mutant.Has(mutant.M24) {
		limit = a.chosen
	}
	wanted := a.floor
	if limit > keep {
		wanted = max(wanted, limit-keep)
	}
	if a.options.KeepBytesMax > 0 {
		above := a.held
		for s := a.votes.next(a.floor + 1); s <= limit; s = a.votes.next(s + 1) {
			if s > wanted && above <= a.options.KeepBytesMax {
				break
			}
			above -= int64(a.votes.find(s).bytes)
			wanted = max(wanted, s)
		}
	}
	if wanted-a.floor < min(cutSlotsMin, keep/4+1) && !a.heavy(wanted) {
		return a.floor
	}
	return wanted
}

// heavy reports whether the few slots through the given one are so large that the
// log would grow far beyond what is to be kept if they waited for more.
func (a *Acceptor) heavy(through Slot) bool {
	var bytes int64
	for s := a.votes.next(a.floor + 1); s <= min(through, a.highest); s = a.votes.next(s + 1) {
		bytes += int64(a.votes.find(s).bytes)
	}
	return a.options.KeepBytesMax > 0 && bytes > a.options.KeepBytesMax/4
}

// cut forgets everything through a slot. Its record is durable before the files
// that held it go.
func (a *Acceptor) cut(through Slot) {
	if through <= a.floor {
		return
	}
	for s := a.votes.next(a.floor + 1); s <= min(through, a.highest); s = a.votes.next(s + 1) {
		v := a.votes.find(s)
		a.held -= int64(v.bytes)
		if !v.away {
			a.resident -= len(v.value)
		}
	}
	a.votes.Cut(through)
	a.floor = through
	a.highest, a.chosen = max(a.highest, through), max(a.chosen, through)
	a.evictNext = max(a.evictNext, through+1)
	kept := a.runs[:0]
	for _, run := range a.runs {
		if run.Last > through {
			run.First = max(run.First, through+1)
			kept = append(kept, run)
		}
	}
	a.runs = kept
}

// belowFloor answers an Accept for a slot that was cut: it is chosen, and no vote
// for it is ever sent again.
func (a *Acceptor) belowFloor(e *Envelope, m *Accept, out *Output) {
	to := Address{e.From.Replica, RoleProposer}
	out.Messages = append(out.Messages,
		a.cfg.envelope(RoleAcceptor, to, &BelowFloor{Ballot: m.Ballot, Floor: a.floor}))
}

// Essence is what a log must hold beside the votes above the floor: all earlier
// segments may go when it is recorded again behind them.
func (a *Acceptor) Essence() []Record {
	records := []Record{{Kind: RecordBorn, Incarnation: a.cfg.Incarnation, Vector: a.vector}}
	if !a.promised.IsZero() {
		records = append(records, Record{Kind: RecordPromised, Ballot: a.promised})
	}
	if a.floor > 0 {
		records = append(records, Record{Kind: RecordFloor, Slot: a.floor})
	}
	if len(a.runs) > 0 {
		records = append(records, Record{Kind: RecordRuns, Runs: append([]ChosenRun(nil), a.runs...)})
	}
	return records
}
