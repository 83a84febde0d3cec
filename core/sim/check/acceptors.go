package check

import (
	"fmt"

	"synod/core/paxos"
)

// promise is S3, twice. Within one life nothing that an acceptor says shows a
// lower promise than what it has said before. And an acceptor that was in a quorum
// of promises for a ballot has promised that ballot in every later life in which it
// is normal: "any acceptor that ever took part in such a quorum knows it".
//
// Messages of one step may leave in another order than they were decided in
// (votes are merged at the end of a batch), so a step is judged against the steps
// before it only.
type promise struct {
	ledger    *Ledger
	acceptors [paxos.ReplicasMax + 1]promised
	quorums   map[paxos.Ballot]*replies
	lives     *lives
}

type promised struct {
	incarnation   paxos.Incarnation
	step          uint64
	before, after paxos.Ballot // before this step, and with it
	// counted is the highest ballot for which it was in a quorum of promises.
	counted paxos.Ballot
}

func newPromise(ledger *Ledger, lives *lives) *promise {
	return &promise{ledger: ledger, lives: lives, quorums: map[paxos.Ballot]*replies{}}
}

func (*promise) Name() string { return "promise" }

func (w *promise) Watch(e *Event) error {
	if e.Agent.Roles != paxos.RoleAcceptor {
		return nil
	}
	a := &w.acceptors[e.Agent.Replica]
	normal := e.Kind == Told && e.Note.Kind == paxos.EventNormal && e.Note.Incarnation == w.lives.of(e.Agent.Replica)
	if normal && e.Note.Ballot.Less(a.counted) {
		return fmt.Errorf("%s is normal as incarnation %d with the promise %s, but was counted for %s",
			e.Agent, e.Note.Incarnation, e.Note.Ballot.Long(), a.counted.Long())
	}
	if e.Kind != Sent || w.lives.isOld(e.Envelope) {
		return nil
	}
	if a.incarnation != e.Envelope.Incarnation {
		*a = promised{incarnation: e.Envelope.Incarnation, counted: a.counted}
	}
	if a.step != e.Step {
		a.step, a.before = e.Step, a.after
	}
	says, ok := promiseShown(e.Envelope.Message)
	if !ok {
		return nil
	}
	if says.Less(a.before) {
		return fmt.Errorf("%s sends %s, which shows a promise of %s, but it has promised %s",
			e.Agent, e.Envelope.Message.Kind(), says.Long(), a.before.Long())
	}
	if a.after.Less(says) {
		a.after = says
	}
	if m, ok := e.Envelope.Message.(*paxos.Promise); ok {
		w.count(e.Envelope, m)
	}
	return nil
}

// promiseShown is the least promise that a message admits to.
func promiseShown(message paxos.Message) (paxos.Ballot, bool) {
	switch m := message.(type) {
	case *paxos.Promise:
		return m.Ballot, true
	case *paxos.Accepted:
		return m.Ballot, true
	case *paxos.Nack:
		return m.Promised, true
	case *paxos.RecoverState:
		return m.Promised, true
	}
	return paxos.Ballot{}, false
}

// count notes who is in a quorum of promises for a ballot.
func (w *promise) count(e *paxos.Envelope, m *paxos.Promise) {
	known := w.quorums[m.Ballot]
	if known == nil {
		known = &replies{}
		w.quorums[m.Ballot] = known
	}
	if !known.add(e, &m.Vector) {
		return
	}
	known.quorum(w.ledger.majority).each(func(r paxos.ReplicaID) {
		if counted := &w.acceptors[r].counted; counted.Less(m.Ballot) {
			*counted = m.Ballot
		}
	})
}

func (*promise) Finish() error { return nil }

// vote is S4, twice. After Accepted(b, s) has left an acceptor, everything it reports
// about slot s in the same life shows an entry of ballot b or higher, or a floor
// above it, with the value that was proposed in that ballot. And what an acceptor
// was counted for in a quorum of votes it reports in all its lives.
type vote struct {
	ledger    *Ledger
	lives     *lives
	acceptors [paxos.ReplicasMax + 1]voted
}

type voted struct {
	incarnation paxos.Incarnation
	step        uint64
	highest     paxos.Slot
	slots       []paxos.Ballot // by slot: the highest ballot of a vote that has left
	pending     []paxos.Accepted
	parts       promiseParts
}

// promiseParts are the entries of a Promise that comes in several messages.
type promiseParts struct {
	ballot paxos.Ballot
	seen   uint32
	held   map[paxos.Slot]paxos.Ballot
}

func (*vote) Name() string { return "vote" }

func (w *vote) Watch(e *Event) error {
	if e.Kind != Sent || e.Agent.Roles != paxos.RoleAcceptor || w.lives.isOld(e.Envelope) {
		return nil
	}
	a := &w.acceptors[e.Agent.Replica]
	if a.incarnation != e.Envelope.Incarnation {
		*a = voted{incarnation: e.Envelope.Incarnation}
	}
	if a.step != e.Step {
		a.step = e.Step
		a.fold()
	}
	switch m := e.Envelope.Message.(type) {
	case *paxos.Accepted:
		a.pending = append(a.pending, *m)
	case *paxos.Promise:
		return w.promise(a, e.Agent, m)
	case *paxos.Held:
		return w.report(a, e.Agent, report{m.Kind(), m.First, m.Through, m.Floor, m.Entries})
	case *paxos.RecoverState:
		through := m.Through
		if m.Last {
			through = max(through, paxos.Slot(len(a.slots)), paxos.Slot(len(w.ledger.counted[e.Agent.Replica])))
		}
		return w.report(a, e.Agent, report{m.Kind(), m.From, through, m.Floor, m.Entries})
	case *paxos.ReadAnswer:
		highest := max(a.highest, w.countedHighest(e.Agent.Replica))
		if m.Highest < highest {
			return fmt.Errorf("%s answers a read with slot %d, but it has voted for slot %d",
				e.Agent, m.Highest, highest)
		}
	}
	return nil
}

// countedHighest is the highest slot for which the acceptor was in a quorum.
func (w *vote) countedHighest(r paxos.ReplicaID) paxos.Slot {
	return paxos.Slot(max(len(w.ledger.counted[r]), 1) - 1)
}

// must is the ballot below which the acceptor must not report a slot.
func (w *vote) must(a *voted, r paxos.ReplicaID, s paxos.Slot) paxos.Ballot {
	var must paxos.Ballot
	if s < paxos.Slot(len(a.slots)) {
		must = a.slots[s]
	}
	if counted := w.ledger.counted[r]; s < paxos.Slot(len(counted)) && must.Less(counted[s]) {
		must = counted[s]
	}
	return must
}

// fold makes the votes of earlier steps binding.
func (a *voted) fold() {
	for i := range a.pending {
		m := &a.pending[i]
		for s := m.First; s <= m.Last; s++ {
			for paxos.Slot(len(a.slots)) <= s {
				a.slots = append(a.slots, paxos.Ballot{})
			}
			if a.slots[s].Less(m.Ballot) {
				a.slots[s] = m.Ballot
			}
		}
		a.highest = max(a.highest, m.Last)
	}
	a.pending = a.pending[:0]
}

func (w *vote) promise(a *voted, agent paxos.Address, m *paxos.Promise) error {
	p := &a.parts
	if p.ballot != m.Ballot || m.Part == 0 || p.held == nil {
		*p = promiseParts{ballot: m.Ballot, held: map[paxos.Slot]paxos.Ballot{}}
	}
	for i := range m.Entries {
		if err := w.genuine(agent, &m.Entries[i]); err != nil {
			return err
		}
		p.held[m.Entries[i].Slot] = m.Entries[i].Ballot
	}
	p.seen++
	if p.seen < m.Parts {
		return nil
	}
	last := max(paxos.Slot(len(a.slots)), paxos.Slot(len(w.ledger.counted[agent.Replica])))
	for s := max(m.From, m.Floor+1); s < last; s++ {
		if must := w.must(a, agent.Replica, s); p.held[s].Less(must) {
			return fmt.Errorf("%s promises %s and reports %s for slot %d, but it has voted there in %s",
				agent, m.Ballot.Long(), p.held[s].Long(), s, must.Long())
		}
	}
	*p = promiseParts{}
	return nil
}

// report is what an acceptor says of the slots from first through last.
type report struct {
	kind        paxos.Kind
	first, last paxos.Slot
	floor       paxos.Slot
	entries     []paxos.Entry
}

func (w *vote) report(a *voted, agent paxos.Address, r report) error {
	next := 0
	for s := r.first; s <= r.last; s++ {
		var reported paxos.Ballot
		if next < len(r.entries) && r.entries[next].Slot == s {
			reported = r.entries[next].Ballot
			if err := w.genuine(agent, &r.entries[next]); err != nil {
				return err
			}
			next++
		}
		if must := w.must(a, agent.Replica, s); s > r.floor && reported.Less(must) {
			return fmt.Errorf("%s says in %s that it holds %s for slot %d, but it has voted there in %s",
				agent, r.kind, reported.Long(), s, must.Long())
		}
	}
	return nil
}

// genuine: an entry holds what was proposed in its ballot.
func (w *vote) genuine(agent paxos.Address, entry *paxos.Entry) error {
	p := w.ledger.at(entry.Slot).find(entry.Ballot)
	if p == nil {
		return fmt.Errorf("%s reports an entry for slot %d in ballot %s, in which nobody proposed a value",
			agent, entry.Slot, entry.Ballot.Long())
	}
	if !same(p.value, entry.Value) {
		return fmt.Errorf("%s reports %s for slot %d in ballot %s, in which %s was proposed",
			agent, brief(entry.Value), entry.Slot, entry.Ballot.Long(), brief(p.value))
	}
	return nil
}

func (*vote) Finish() error { return nil }

// silence is S9: an acceptor that cannot prove its state complete neither
// promises nor votes nor answers reads nor helps another one.
type silence struct {
	refusing [paxos.ReplicasMax + 1]bool
}

func (*silence) Name() string { return "silence" }

func (w *silence) Watch(e *Event) error {
	if e.Agent.Roles != paxos.RoleAcceptor {
		return nil
	}
	switch e.Kind {
	case Started:
		w.refusing[e.Agent.Replica] = e.Refusing
	case Told:
		switch e.Note.Kind {
		case paxos.EventLost:
			w.refusing[e.Agent.Replica] = true
		case paxos.EventNormal:
			w.refusing[e.Agent.Replica] = false
		}
	case Sent:
		switch e.Envelope.Message.(type) {
		case *paxos.Promise, *paxos.Accepted, *paxos.ReadAnswer, *paxos.RecoverInfo, *paxos.RecoverState:
			if w.refusing[e.Agent.Replica] {
				return fmt.Errorf("%s refuses, and yet sends %s", e.Agent, e.Envelope.Message.Kind())
			}
		}
	}
	return nil
}

func (*silence) Finish() error { return nil }
