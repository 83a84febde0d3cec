package check

import (
	"fmt"

	"synod/core/paxos"
)

// promise is S3. What an acceptor told the world binds it in all its lives: after
// Promise(b) or Accepted(b) has left, nothing it says may show a lower promise.
//
// Messages of one step may leave in another order than they were decided in
// (votes are merged at the end of a batch), so a step is judged against the steps
// before it only.
type promise struct {
	acceptors [paxos.ReplicasMax + 1]promised
}

type promised struct {
	step          uint64
	before, after paxos.Ballot // before this step, and with it
}

func (*promise) Name() string { return "promise" }

func (w *promise) Watch(e *Event) error {
	if e.Kind != Sent || e.Agent.Roles != paxos.RoleAcceptor {
		return nil
	}
	a := &w.acceptors[e.Agent.Replica]
	if a.step != e.Step {
		a.step, a.before = e.Step, a.after
	}
	var says paxos.Ballot
	switch m := e.Envelope.Message.(type) {
	case *paxos.Promise:
		says = m.Ballot
	case *paxos.Accepted:
		says = m.Ballot
	case *paxos.Nack:
		says = m.Promised
	default:
		return nil
	}
	if says.Less(a.before) {
		return fmt.Errorf("%s sends %s, which shows a promise of %s, but it has promised %s",
			e.Agent, e.Envelope.Message.Kind(), says.Long(), a.before.Long())
	}
	if a.after.Less(says) {
		a.after = says
	}
	return nil
}

func (*promise) Finish() error { return nil }

// vote is S4. After Accepted(b, s) has left an acceptor, everything it reports
// about slot s shows an entry of ballot b or higher, in all its lives, with the
// value that was proposed in that ballot.
type vote struct {
	ledger    *Ledger
	acceptors [paxos.ReplicasMax + 1]voted
}

type voted struct {
	step    uint64
	highest paxos.Slot
	slots   []paxos.Ballot // by slot: the highest ballot of a vote that has left
	pending []paxos.Accepted
	parts   promiseParts
}

// promiseParts are the entries of a Promise that comes in several messages.
type promiseParts struct {
	ballot paxos.Ballot
	seen   uint32
	held   map[paxos.Slot]paxos.Ballot
}

func (*vote) Name() string { return "vote" }

func (w *vote) Watch(e *Event) error {
	if e.Kind != Sent || e.Agent.Roles != paxos.RoleAcceptor {
		return nil
	}
	a := &w.acceptors[e.Agent.Replica]
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
		return w.held(a, e.Agent, m)
	case *paxos.ReadAnswer:
		if m.Highest < a.highest {
			return fmt.Errorf("%s answers a read with slot %d, but it has voted for slot %d",
				e.Agent, m.Highest, a.highest)
		}
	}
	return nil
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
	first := max(m.From, m.Floor+1)
	for s := first; s < paxos.Slot(len(a.slots)); s++ {
		if p.held[s].Less(a.slots[s]) {
			return fmt.Errorf("%s promises %s and reports %s for slot %d, but it has voted there in %s",
				agent, m.Ballot.Long(), p.held[s].Long(), s, a.slots[s].Long())
		}
	}
	*p = promiseParts{}
	return nil
}

func (w *vote) held(a *voted, agent paxos.Address, m *paxos.Held) error {
	next := 0
	for s := m.First; s <= m.Through; s++ {
		var reported paxos.Ballot
		if next < len(m.Entries) && m.Entries[next].Slot == s {
			reported = m.Entries[next].Ballot
			if err := w.genuine(agent, &m.Entries[next]); err != nil {
				return err
			}
			next++
		}
		if s < paxos.Slot(len(a.slots)) && reported.Less(a.slots[s]) {
			return fmt.Errorf("%s says that it holds %s for slot %d, but it has voted there in %s",
				agent, reported.Long(), s, a.slots[s].Long())
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
// promises nor votes nor answers reads.
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
	case Sent:
		switch e.Envelope.Message.(type) {
		case *paxos.Promise, *paxos.Accepted, *paxos.ReadAnswer:
			if w.refusing[e.Agent.Replica] {
				return fmt.Errorf("%s refuses, and yet sends %s", e.Agent, e.Envelope.Message.Kind())
			}
		}
	}
	return nil
}

func (*silence) Finish() error { return nil }
