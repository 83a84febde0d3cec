package paxos

import (
	"bytes"
	"fmt"
)

// ghost remembers what no replica remembers, and compares. It counts quorums by
// itself: what it calls chosen does not depend on the code under test.
type ghost struct {
	majority int
	broken   error

	proposed map[proposalKey]Value
	voters   map[proposalKey]map[ReplicaID]bool
	chosen   map[Slot]Entry
	promised map[ReplicaID]Ballot // the highest promise that left the acceptor
	votes    map[ReplicaID]map[Slot]Ballot
	applied  []Slot
	seen     Slot // the highest slot that any learner has applied
	readAt   map[uint64]Slot
}

type proposalKey struct {
	slot   Slot
	ballot Ballot
}

func newGhost(replicas int) ghost {
	return ghost{
		majority: replicas/2 + 1,
		proposed: map[proposalKey]Value{}, voters: map[proposalKey]map[ReplicaID]bool{}, chosen: map[Slot]Entry{},
		promised: map[ReplicaID]Ballot{}, votes: map[ReplicaID]map[Slot]Ballot{}, applied: make([]Slot, replicas),
		readAt: map[uint64]Slot{},
	}
}

func (g *ghost) breaks(format string, args ...any) {
	if g.broken == nil {
		g.broken = fmt.Errorf(format, args...)
	}
}

// sent sees everything that leaves a role.
func (g *ghost) sent(envelopes []Envelope) {
	reported := map[Slot]Ballot{}
	for i := range envelopes {
		if m, ok := envelopes[i].Message.(*Promise); ok {
			for _, entry := range m.Entries {
				reported[entry.Slot] = entry.Ballot
			}
		}
	}
	for i := range envelopes {
		from := envelopes[i].From.Replica
		switch m := envelopes[i].Message.(type) {
		case *Accept:
			g.accept(m)
		case *Accepted:
			for s := m.First; s <= m.Last; s++ {
				g.vote(from, s, m.Ballot)
			}
		case *Promise:
			g.promise(from, m, reported)
		}
	}
}

func (g *ghost) accept(m *Accept) {
	key := proposalKey{m.Slot, m.Ballot}
	if known, ok := g.proposed[key]; ok && !bytes.Equal(known, m.Value) {
		g.breaks("one value per ballot: %s proposes %q and %q in slot %d", m.Ballot.Long(), known, m.Value, m.Slot)
	}
	g.proposed[key] = m.Value
	if was, ok := g.chosen[m.Slot]; ok && was.Ballot.Less(m.Ballot) && !bytes.Equal(was.Value, m.Value) {
		g.breaks("proposal: slot %d is chosen with %q in %s, yet %s proposes %q",
			m.Slot, was.Value, was.Ballot.Long(), m.Ballot.Long(), m.Value)
	}
}

func (g *ghost) vote(from ReplicaID, s Slot, b Ballot) {
	key := proposalKey{s, b}
	value, ok := g.proposed[key]
	if !ok {
		g.breaks("vote: %s votes in slot %d for %s, in which nothing was proposed", from, s, b.Long())
	}
	if b.Less(g.promised[from]) {
		g.breaks("promise: %s votes in %s after it promised %s", from, b.Long(), g.promised[from].Long())
	}
	if g.votes[from] == nil {
		g.votes[from] = map[Slot]Ballot{}
	}
	if g.votes[from][s].Less(b) {
		g.votes[from][s] = b
	}
	if g.voters[key] == nil {
		g.voters[key] = map[ReplicaID]bool{}
	}
	g.voters[key][from] = true
	if len(g.voters[key]) < g.majority {
		return
	}
	was, ok := g.chosen[s]
	switch {
	case ok && !bytes.Equal(was.Value, value):
		g.breaks("agreement: slot %d is chosen with %q in %s and with %q in %s",
			s, was.Value, was.Ballot.Long(), value, b.Long())
	case !ok || b.Less(was.Ballot):
		g.chosen[s] = Entry{s, b, value}
	}
}

func (g *ghost) promise(from ReplicaID, m *Promise, reported map[Slot]Ballot) {
	if m.Ballot.Less(g.promised[from]) {
		g.breaks("promise: %s promises %s after %s", from, m.Ballot.Long(), g.promised[from].Long())
	}
	g.promised[from] = m.Ballot
	for s, voted := range g.votes[from] {
		if s >= m.From && reported[s].Less(voted) {
			g.breaks("memory: %s voted in slot %d for %s, and its promise for %s reports %s",
				from, s, voted.Long(), m.Ballot.Long(), reported[s].Long())
		}
	}
	for s := Slot(1); s <= m.Chosen; s++ {
		if _, ok := g.chosen[s]; !ok {
			g.breaks("mark: %s says that slot %d is chosen, and it is not", from, s)
		}
	}
}

func (g *ghost) learned(learner int, entries []Entry) {
	for _, entry := range entries {
		if entry.Slot != g.applied[learner]+1 {
			g.breaks("order: a learner hands out slot %d after %d", entry.Slot, g.applied[learner])
		}
		was, ok := g.chosen[entry.Slot]
		if !ok || !bytes.Equal(was.Value, entry.Value) {
			g.breaks("learning: r%d learns %q in slot %d, but chosen is %q (%v)",
				learner+1, entry.Value, entry.Slot, was.Value, ok)
		}
		if ok && entry.Ballot.Less(was.Ballot) {
			g.breaks("proof: r%d proves slot %d by %s, but it was chosen in %s first",
				learner+1, entry.Slot, entry.Ballot.Long(), was.Ballot.Long())
		}
		g.applied[learner] = entry.Slot
		g.seen = max(g.seen, entry.Slot)
	}
}

// asked notes what a read that arrives now has to see.
func (g *ghost) asked(id uint64) { g.readAt[id] = g.seen }

func (g *ghost) released(reads []ReadDone) {
	for _, r := range reads {
		if r.Applied < g.readAt[r.ID] {
			g.breaks("read: %d sees slot %d, but %d was answered before it came", r.ID, r.Applied, g.readAt[r.ID])
		}
		if r.Applied > g.seen {
			g.breaks("read: %d claims slot %d, which nobody has applied", r.ID, r.Applied)
		}
	}
}
