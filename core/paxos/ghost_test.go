package paxos

import (
	"bytes"
	"fmt"
	"slices"
)

// ghost remembers what no replica remembers, and compares. It counts quorums by
// itself: what it calls chosen does not depend on the code under test.
type ghost struct {
	majority int
	broken   error
	// unordered: messages are shown in any order, and what depends on theirs is not
	// judged.
	unordered bool

	proposed  map[proposalKey]Value
	voters    map[proposalKey]replies
	promisers map[Ballot]replies
	chosen    map[Slot]Entry
	promised  map[life]Ballot // the highest promise that left the acceptor in that life
	votes     map[life]map[Slot]Ballot
	// What an acceptor has to remember in all its lives, because it was in a quorum.
	boundPromise map[ReplicaID]Ballot
	boundVotes   map[ReplicaID]map[Slot]Ballot
	applied      []Slot
	seen         Slot // the highest slot that any learner has applied
	readAt       map[uint64]Slot
}

// life is one incarnation of an acceptor.
type life struct {
	replica     ReplicaID
	incarnation Incarnation
}

// word is what counts of a promise or a vote.
type word struct {
	life
	vector Vector
}

// replies are different replies to one question.
type replies []word

// fits reports whether two replies may count together: none of the two acceptors
// knew, when it answered, of a later life of the other one.
func (r word) fits(o word) bool {
	return r.incarnation >= o.vector[r.replica-1] && o.incarnation >= r.vector[o.replica-1]
}

// members gives all replicas that are in some quorum of the replies.
func (rs replies) members(need int) map[ReplicaID]bool {
	found := map[ReplicaID]bool{}
	var choose func(from int, chosen replies)
	choose = func(from int, chosen replies) {
		if len(chosen) == need {
			for _, r := range chosen {
				found[r.replica] = true
			}
			return
		}
	next:
		for i := from; i < len(rs); i++ {
			for _, other := range chosen {
				if other.replica == rs[i].replica || !other.fits(rs[i]) {
					continue next
				}
			}
			choose(i+1, append(chosen[:len(chosen):len(chosen)], rs[i]))
		}
	}
	choose(0, nil)
	return found
}

// add puts a reply in and reports whether it is new.
func (rs *replies) add(e *Envelope, v *Vector) bool {
	r := word{life{e.From.Replica, e.Incarnation}, *v}
	if slices.Contains(*rs, r) {
		return false
	}
	*rs = append(*rs, r)
	return true
}

type proposalKey struct {
	slot   Slot
	ballot Ballot
}

func newGhost(replicas int) ghost {
	return ghost{
		majority: replicas/2 + 1,
		proposed: map[proposalKey]Value{}, voters: map[proposalKey]replies{}, chosen: map[Slot]Entry{},
		promised: map[life]Ballot{}, votes: map[life]map[Slot]Ballot{}, applied: make([]Slot, replicas),
		promisers: map[Ballot]replies{}, boundPromise: map[ReplicaID]Ballot{},
		boundVotes: map[ReplicaID]map[Slot]Ballot{}, readAt: map[uint64]Slot{},
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
		e := &envelopes[i]
		switch m := e.Message.(type) {
		case *Accept:
			g.accept(e, m)
		case *Heartbeat:
			g.mark(e, m)
		case *Accepted:
			for s := m.First; s <= m.Last; s++ {
				g.vote(e, s, m)
			}
		case *Promise:
			g.promise(e, m, reported)
		}
	}
}

// mark: a leader says that slots are chosen in its own ballot.
func (g *ghost) mark(e *Envelope, m *Heartbeat) {
	for s := m.First; s <= m.Chosen; s++ {
		if len(g.voters[proposalKey{s, m.Ballot}].members(g.majority)) == 0 {
			g.breaks("mark: %s says that slot %d is chosen in %s, for which no quorum voted", e.From, s, m.Ballot.Long())
		}
	}
}

func (g *ghost) accept(e *Envelope, m *Accept) {
	if !g.unordered && len(g.promisers[m.Ballot].members(g.majority)) == 0 {
		g.breaks("phase 1: %s proposes in %s, for which it has no quorum of promises", e.From, m.Ballot.Long())
	}
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

func (g *ghost) vote(e *Envelope, s Slot, m *Accepted) {
	key, b, from := proposalKey{s, m.Ballot}, m.Ballot, life{e.From.Replica, e.Incarnation}
	value, ok := g.proposed[key]
	if !ok {
		g.breaks("vote: %s votes in slot %d for %s, in which nothing was proposed", e.From, s, b.Long())
	}
	if b.Less(g.promised[from]) && !g.unordered {
		g.breaks("promise: %s votes in %s after it promised %s", e.From, b.Long(), g.promised[from].Long())
	}
	if g.votes[from] == nil {
		g.votes[from] = map[Slot]Ballot{}
	}
	if g.votes[from][s].Less(b) {
		g.votes[from][s] = b
	}
	voters := g.voters[key]
	if !voters.add(e, &m.Vector) {
		return
	}
	g.voters[key] = voters
	members := voters.members(g.majority)
	for r := range members {
		if g.boundVotes[r] == nil {
			g.boundVotes[r] = map[Slot]Ballot{}
		}
		if g.boundVotes[r][s].Less(b) {
			g.boundVotes[r][s] = b
		}
	}
	if len(members) == 0 {
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

func (g *ghost) promise(e *Envelope, m *Promise, reported map[Slot]Ballot) {
	from := life{e.From.Replica, e.Incarnation}
	if m.Ballot.Less(g.promised[from]) && !g.unordered {
		g.breaks("promise: %s promises %s after %s", e.From, m.Ballot.Long(), g.promised[from].Long())
	}
	g.promised[from] = m.Ballot
	for s, voted := range g.votes[from] {
		if !g.unordered && s >= m.From && s > m.Floor && reported[s].Less(voted) {
			g.breaks("memory: %s voted in slot %d for %s, and its promise for %s reports %s",
				e.From, s, voted.Long(), m.Ballot.Long(), reported[s].Long())
		}
	}
	for s := Slot(1); s <= m.Chosen; s++ {
		if _, ok := g.chosen[s]; !ok && !g.unordered {
			g.breaks("mark: %s says that slot %d is chosen, and it is not", e.From, s)
		}
	}
	promisers := g.promisers[m.Ballot]
	if promisers.add(e, &m.Vector) {
		g.promisers[m.Ballot] = promisers
		for r := range promisers.members(g.majority) {
			if g.boundPromise[r].Less(m.Ballot) {
				g.boundPromise[r] = m.Ballot
			}
		}
	}
}

// knows holds the memory of a normal acceptor against what it was counted for, in
// whatever life: "any acceptor that ever took part in such a quorum and is normal
// knows it".
func (g *ghost) knows(a *Acceptor, store Slot) {
	r := a.cfg.Self
	if a.promised.Less(g.boundPromise[r]) {
		g.breaks("promise ghost: %s was counted for %s and has promised only %s",
			r, g.boundPromise[r].Long(), a.promised.Long())
	}
	for s, b := range g.boundVotes[r] {
		held, _ := a.ballotOf(s)
		if s > a.floor && held.Less(b) {
			g.breaks("vote ghost: %s was counted for slot %d in %s and holds %s", r, s, b.Long(), held.Long())
		}
	}
	if a.floor > store {
		g.breaks("floor: %s has cut through slot %d, its store holds %d", r, a.floor, store)
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
