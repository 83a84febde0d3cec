package trace

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"synod/core/paxos"
	"synod/protocol"
)

// An answer must fit into an operator's frame: these are what a slot and a step of
// it take at most in JSON, and what an answer may take.
const (
	slotBytes   = 420
	stepBytes   = 140
	answerBytes = protocol.OperatorBytesMax - 4<<10
)

// Slots answers an operator: the newest of the slots that were asked for, as many
// as the query and a frame allow.
func (r *Recorder) Slots(q protocol.SlotsQuery) protocol.Slots {
	kept := r.spans()
	oldest, newest := kept.oldest(), kept.below(1<<64-1)
	answer := protocol.Slots{Oldest: uint64(oldest), Newest: uint64(newest), Slots: []protocol.SlotTrace{}}
	first, last := max(paxos.Slot(q.From), oldest), newest
	if q.To != 0 {
		last = min(paxos.Slot(q.To), newest)
	}
	most := q.Max
	if most <= 0 || most > protocol.SlotsMax {
		most = protocol.SlotsMax
	}
	size := 0
	for s := kept.below(last); s >= first && s != 0 && len(answer.Slots) < most; s = kept.below(s - 1) {
		trace, known := r.slot(s)
		if !known {
			continue
		}
		if size += slotBytes + stepBytes*len(trace.Steps); size > answerBytes {
			break
		}
		answer.Slots = append(answer.Slots, trace)
	}
	slices.Reverse(answer.Slots)
	return answer
}

// spans are the oldest and the newest slot that each ring may hold; 0 if none. They
// may lie far apart: a learner that is behind, a proposer that led long ago.
type spans [3]struct{ low, high paxos.Slot }

func (r *Recorder) spans() spans {
	var all spans
	for i, k := range []*ring{r.proposer, r.acceptor, r.learner} {
		all[i].low, all[i].high = k.span()
	}
	return all
}

// below is the highest slot up to s that a ring may hold, 0 if there is none.
func (all *spans) below(s paxos.Slot) paxos.Slot {
	var found paxos.Slot
	for _, k := range all {
		if highest := min(s, k.high); highest >= k.low {
			found = max(found, highest)
		}
	}
	return found
}

// oldest is the lowest slot that a ring may hold.
func (all *spans) oldest() paxos.Slot {
	var found paxos.Slot
	for _, k := range all {
		if k.low != 0 && (found == 0 || k.low < found) {
			found = k.low
		}
	}
	return found
}

// slot puts together what the three roles did to a slot.
func (r *Recorder) slot(s paxos.Slot) (protocol.SlotTrace, bool) {
	var steps []step
	var ballot paxos.Ballot
	var value content
	for _, k := range []*ring{r.proposer, r.acceptor, r.learner} {
		var found record
		var known bool
		steps, found, known = k.copyTo(steps, s)
		if !known {
			continue
		}
		// What was chosen decides; before that, what the highest ballot proposes.
		if found.value.seen && (!value.seen || k == r.learner || !found.ballot.Less(ballot)) {
			value = found.value
		}
		if ballot.Less(found.ballot) {
			ballot = found.ballot
		}
	}
	if len(steps) == 0 {
		return protocol.SlotTrace{}, false
	}
	slices.SortStableFunc(steps, func(a, b step) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.what, b.what))
	})
	trace := protocol.SlotTrace{Slot: uint64(s), Ballot: ballot.String(), Steps: make([]protocol.Step, len(steps))}
	value.show(&trace)
	for i := range steps {
		trace.Steps[i] = steps[i].show(ballot)
	}
	return trace, true
}

// show makes the step of an answer; its ballot is told if it is another one than
// that of the trace.
func (s *step) show(ballot paxos.Ballot) protocol.Step {
	names := [...]string{
		proposed: protocol.StepProposed, asked: protocol.StepAsked, voted: protocol.StepVoted,
		accepted: protocol.StepAccepted, refused: protocol.StepRefused,
		chosen: protocol.StepChosen, applied: protocol.StepApplied,
	}
	shown := protocol.Step{At: time.UnixMicro(s.at).UTC(), What: names[s.what], TookMicros: int64(s.took)}
	if s.from != paxos.Everyone {
		shown.From = s.from.String()
	}
	if s.round != ballot.Round || s.owner != ballot.Replica {
		shown.Ballot = fmt.Sprintf("%d.%s", s.round, s.owner)
	}
	if s.times > 1 {
		shown.Times = int(s.times)
	}
	return shown
}
