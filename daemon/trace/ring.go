package trace

import (
	"sync"
	"time"

	"synod/core/paxos"
)

// Limits of what is remembered.
const (
	// SlotsKept is how many of the newest slots each role's ring holds.
	SlotsKept = 8192
	// Steps kept of a slot. A proposer asks and hears every replica; an acceptor may
	// vote for a slot in several ballots, one after the other.
	proposerSteps = 2*paxos.ReplicasMax + 2
	acceptorSteps = 6
	learnerSteps  = 2
)

// kind is what a step tells; see the names in package protocol. Of two steps of the
// same microsecond the lower kind came first.
type kind uint8

const (
	proposed kind = iota + 1
	asked
	accepted
	refused
	voted
	chosen
	applied
)

// step is one thing that happened to a slot. Equal steps are one, with the time of
// the last; a vote is the exception, it is durable since the first.
type step struct {
	at    int64 // microseconds since 1970
	round uint64
	took  uint32 // microseconds
	what  kind
	from  paxos.ReplicaID // 0 if no other replica is concerned
	owner paxos.ReplicaID // of the ballot; its round is round
	times uint8           // saturates
}

// record is what a role did to a slot. Its steps lie beside it, in the ring.
type record struct {
	slot paxos.Slot
	// ballot is the highest one in which something happened.
	ballot paxos.Ballot
	// begun is when the slot was proposed in ballot, voters who has voted for it.
	begun  int64
	voters paxos.ReplicaSet
	steps  uint8
	value  content
}

// ring holds the records of one role by slot modulo SlotsKept.
type ring struct {
	mu      sync.Mutex
	records []record
	steps   []step // perSlot for each record
	perSlot int
	// oldest and newest of all slots recorded so far, 0 without any.
	oldest, newest paxos.Slot
}

func newRing(perSlot int) *ring {
	return &ring{
		records: make([]record, SlotsKept), steps: make([]step, SlotsKept*perSlot), perSlot: perSlot,
	}
}

// findLocked gives the record of a slot, nil if there is none.
func (r *ring) findLocked(s paxos.Slot) *record {
	if found := &r.records[s%SlotsKept]; found.slot == s && s != 0 {
		return found
	}
	return nil
}

// atLocked gives the record of a slot, begun anew if there is none. It is nil if
// the slot is older than all that is kept.
func (r *ring) atLocked(s paxos.Slot) *record {
	found := &r.records[s%SlotsKept]
	switch {
	case found.slot == s && s != 0:
	case s == 0 || found.slot > s:
		return nil
	default:
		*found = record{slot: s}
		r.newest = max(r.newest, s)
		if r.oldest == 0 || s < r.oldest {
			r.oldest = s
		}
	}
	return found
}

// addLocked adds a step to a record, or counts it if it has happened before.
func (r *ring) addLocked(to *record, b paxos.Ballot, s step) {
	steps := r.stepsLocked(to)
	for i := range steps {
		if k := &steps[i]; k.what == s.what && k.from == s.from && k.round == b.Round && k.owner == b.Replica {
			k.times += min(1, 255-k.times)
			if s.what != accepted {
				k.at, k.took = s.at, s.took
			}
			return
		}
	}
	r.appendLocked(to, b, s)
}

// appendLocked adds a step that has not happened before. When there is no room the
// oldest step goes.
func (r *ring) appendLocked(to *record, b paxos.Ballot, s step) {
	s.round, s.owner, s.times = b.Round, b.Replica, 1
	if to.ballot.Less(b) {
		to.ballot = b
	}
	if int(to.steps) == r.perSlot {
		steps := r.stepsLocked(to)
		copy(steps, steps[1:])
		steps[len(steps)-1] = s
		return
	}
	to.steps++
	r.stepsLocked(to)[to.steps-1] = s
}

// stepsLocked is the steps of a record.
func (r *ring) stepsLocked(of *record) []step {
	first := int(of.slot%SlotsKept) * r.perSlot
	return r.steps[first : first+int(of.steps)]
}

// span gives the oldest and the newest slot that the ring may hold; 0, 0 if none.
func (r *ring) span() (oldest, newest paxos.Slot) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newest > SlotsKept {
		return max(r.oldest, r.newest-SlotsKept+1), r.newest
	}
	return r.oldest, r.newest
}

// copyTo appends a copy of a slot's steps, and gives its record; false if there is
// none.
func (r *ring) copyTo(dst []step, s paxos.Slot) ([]step, record, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.findLocked(s)
	if found == nil {
		return dst, record{}, false
	}
	return append(dst, r.stepsLocked(found)...), *found, true
}

// micros is the time of a step.
func micros(t time.Time) int64 { return t.UnixMicro() }

// elapsed is how long a step took, within what a step holds.
func elapsed(from, to time.Time) uint32 {
	return uint32(min(max(to.Sub(from).Microseconds(), 0), 1<<32-1))
}
