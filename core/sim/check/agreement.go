package check

import (
	"fmt"

	"synod/core/paxos"
)

// agreement is S1. It also keeps the ledger, so it comes before all watchers that
// read it, but after proposal, which judges an Accept against what was before.
type agreement struct {
	ledger *Ledger
}

func (*agreement) Name() string { return "agreement" }

func (w *agreement) Watch(e *Event) error {
	switch e.Kind {
	case Sent:
		return w.sent(e)
	case Chose:
		return w.chose(e)
	}
	return nil
}

func (w *agreement) sent(e *Event) error {
	switch m := e.Envelope.Message.(type) {
	case *paxos.Accept:
		return w.ledger.propose(m)
	case *paxos.Accepted:
		for s := m.First; s <= m.Last; s++ {
			quorum, err := w.ledger.vote(e.Envelope, s, m)
			if err != nil {
				return err
			}
			w.ledger.count(quorum, s, m.Ballot)
		}
	}
	return nil
}

func (w *agreement) chose(e *Event) error {
	value, ballot, ok := w.ledger.Chosen(e.Entry.Slot)
	if !ok {
		return fmt.Errorf("%s takes slot %d as chosen, but no majority voted for one value in one ballot",
			e.Agent, e.Entry.Slot)
	}
	if !same(value, e.Entry.Value) {
		return fmt.Errorf("%s takes %s as chosen for slot %d, but %s was chosen in ballot %s",
			e.Agent, brief(e.Entry.Value), e.Entry.Slot, brief(value), ballot.Long())
	}
	return nil
}

func (*agreement) Finish() error { return nil }

// proposal is S2: "If a proposal with value v is chosen, then every
// higher-numbered proposal issued by any proposer has value v" (Paxos Made
// Simple, P2b).
type proposal struct {
	ledger *Ledger
}

func (*proposal) Name() string { return "proposal" }

func (w *proposal) Watch(e *Event) error {
	if e.Kind != Sent {
		return nil
	}
	m, ok := e.Envelope.Message.(*paxos.Accept)
	if !ok {
		return nil
	}
	value, ballot, isChosen := w.ledger.Chosen(m.Slot)
	if isChosen && ballot.Less(m.Ballot) && !same(value, m.Value) {
		return fmt.Errorf("%s proposes %s for slot %d in ballot %s, but %s was chosen in ballot %s",
			e.Agent, brief(m.Value), m.Slot, m.Ballot.Long(), brief(value), ballot.Long())
	}
	return nil
}

func (*proposal) Finish() error { return nil }
