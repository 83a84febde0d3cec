package check

import (
	"fmt"

	"synod/core/paxos"
)

// Ledger is what an all-knowing observer knows to be proposed, voted for and
// chosen. A vote counts when its message leaves the acceptor: from then on
// somebody may rely on it.
type Ledger struct {
	majority int
	slots    []ballots // by slot
	// counted are the ballots in which each acceptor was in a quorum of votes, the
	// highest by slot: what it has to know in all its lives.
	counted [paxos.ReplicasMax + 1][]paxos.Ballot
}

// ballots are all ballots in which a value was proposed for one slot.
type ballots struct {
	proposals []proposed
	// chosen is the value with a majority of votes in one ballot, the lowest such.
	isChosen bool
	ballot   paxos.Ballot
	value    paxos.Value
}

type proposed struct {
	ballot paxos.Ballot
	value  paxos.Value
	votes  replies
	quorum replicaSet // who was in some quorum of the votes
}

// NewLedger gives an empty ledger for a cluster of that many replicas.
func NewLedger(replicas int) *Ledger { return &Ledger{majority: replicas/2 + 1} }

func (l *Ledger) at(s paxos.Slot) *ballots {
	for paxos.Slot(len(l.slots)) <= s {
		l.slots = append(l.slots, ballots{})
	}
	return &l.slots[s]
}

// Chosen is the value chosen for the slot, and the lowest ballot in which it was.
func (l *Ledger) Chosen(s paxos.Slot) (paxos.Value, paxos.Ballot, bool) {
	if paxos.Slot(len(l.slots)) <= s {
		return nil, paxos.Ballot{}, false
	}
	b := &l.slots[s]
	return b.value, b.ballot, b.isChosen
}

// Last is the highest slot that is chosen or was proposed.
func (l *Ledger) Last() paxos.Slot {
	if len(l.slots) == 0 {
		return 0
	}
	return paxos.Slot(len(l.slots) - 1)
}

func (b *ballots) find(ballot paxos.Ballot) *proposed {
	for i := range b.proposals {
		if b.proposals[i].ballot == ballot {
			return &b.proposals[i]
		}
	}
	return nil
}

// propose notes Accept; it fails if the ballot had another value in the slot.
func (l *Ledger) propose(m *paxos.Accept) error {
	b := l.at(m.Slot)
	known := b.find(m.Ballot)
	if known == nil {
		b.proposals = append(b.proposals, proposed{ballot: m.Ballot, value: m.Value})
		return nil
	}
	if !same(known.value, m.Value) {
		return fmt.Errorf("slot %d ballot %s was proposed with two values: %s and %s",
			m.Slot, m.Ballot.Long(), brief(known.value), brief(m.Value))
	}
	return nil
}

// vote notes an acceptor's vote for one slot; it fails if nobody proposed it, or
// if it gives the slot a second chosen value. It returns who was in some quorum of
// the votes for this proposal, if the vote was new.
func (l *Ledger) vote(e *paxos.Envelope, s paxos.Slot, m *paxos.Accepted) (replicaSet, error) {
	b, ballot := l.at(s), m.Ballot
	p := b.find(ballot)
	if p == nil {
		return 0, fmt.Errorf("%s voted for slot %d in ballot %s, in which nobody proposed a value",
			e.From.Replica, s, ballot.Long())
	}
	if !p.votes.add(e, &m.Vector) {
		return 0, nil
	}
	p.quorum = p.votes.quorum(l.majority)
	if p.quorum == 0 {
		return 0, nil
	}
	switch {
	case !b.isChosen:
		b.isChosen, b.ballot, b.value = true, ballot, p.value
	case !same(b.value, p.value):
		return 0, fmt.Errorf("slot %d has two chosen values: %s in ballot %s and %s in ballot %s",
			s, brief(b.value), b.ballot.Long(), brief(p.value), ballot.Long())
	case ballot.Less(b.ballot):
		b.ballot = ballot
	}
	return p.quorum, nil
}

func same(a, b paxos.Value) bool { return string(a) == string(b) }

// brief names a value without printing all of it.
func brief(v paxos.Value) string {
	if v.IsNoop() {
		return "no-op"
	}
	sum := uint64(14695981039346656037)
	for _, c := range v {
		sum = (sum ^ uint64(c)) * 1099511628211
	}
	return fmt.Sprintf("%d bytes #%08x", len(v), uint32(sum))
}

// count notes that acceptors were in a quorum of votes.
func (l *Ledger) count(quorum replicaSet, s paxos.Slot, ballot paxos.Ballot) {
	quorum.each(func(r paxos.ReplicaID) {
		slots := &l.counted[r]
		for paxos.Slot(len(*slots)) <= s {
			*slots = append(*slots, paxos.Ballot{})
		}
		if (*slots)[s].Less(ballot) {
			(*slots)[s] = ballot
		}
	})
}

// LastChosen is the highest slot that is chosen.
func (l *Ledger) LastChosen() paxos.Slot {
	for s := l.Last(); s > 0; s-- {
		if l.slots[s].isChosen {
			return s
		}
	}
	return 0
}
