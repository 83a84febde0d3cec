package check

import (
	"fmt"

	"synod/core/paxos"
)

// claims watches what is said about chosen slots, long before anybody acts on it: a
// leader's right to propose and its mark, the runs that learners tell their acceptors and acceptors tell
// others, and the ends of chosen prefixes. Each such sentence must be true when it is
// said.
type claims struct {
	ledger *Ledger
	// through is how far the prefix of chosen slots has been seen to be unbroken.
	through paxos.Slot
	// marks are the ballots whose marks were verified, and how far.
	marks map[paxos.Ballot]paxos.Slot
	// promises are the acceptors that have promised a ballot.
	promises map[paxos.Ballot]replies
	// uses say who uses a ballot, lives count the starts of each proposer.
	uses  map[paxos.Ballot]ballotUse
	lives [paxos.ReplicasMax + 1]int
}

// ballotUse is the one campaign that a ballot belongs to.
type ballotUse struct {
	replica  paxos.ReplicaID
	life     int
	proposed bool // phase 1 is over
}

func newClaims(ledger *Ledger) *claims {
	return &claims{
		ledger: ledger, marks: map[paxos.Ballot]paxos.Slot{}, promises: map[paxos.Ballot]replies{},
		uses: map[paxos.Ballot]ballotUse{},
	}
}

func (*claims) Name() string { return "claims" }

func (w *claims) Watch(e *Event) error {
	if e.Kind == Started && e.Agent.Roles == paxos.RoleProposer {
		w.lives[e.Agent.Replica]++
	}
	if e.Kind != Sent {
		return nil
	}
	switch m := e.Envelope.Message.(type) {
	case *paxos.Prepare:
		return w.use(e.Agent, m.Ballot, false)
	case *paxos.Heartbeat:
		return w.mark(e.Agent, m)
	case *paxos.Promise:
		known := w.promises[m.Ballot]
		known.add(e.Envelope, &m.Vector)
		w.promises[m.Ballot] = known
		return w.prefix(e.Agent, m.Chosen)
	case *paxos.Accept:
		return w.phase1(e.Agent, m)
	case *paxos.Accepted:
		return w.prefix(e.Agent, m.Chosen)
	case *paxos.ChosenRuns:
		return w.runs(e.Agent, m.Runs)
	case *paxos.Held:
		return w.runs(e.Agent, m.Runs)
	}
	return nil
}

// phase1: who proposes in a ballot has the promises of a quorum for this ballot.
func (w *claims) phase1(agent paxos.Address, m *paxos.Accept) error {
	if first := w.uses[m.Ballot]; first.proposed {
		return w.use(agent, m.Ballot, true) // it was judged at its first proposal
	}
	if w.promises[m.Ballot].quorum(w.ledger.majority) == 0 {
		return fmt.Errorf("%s proposes in slot %d in ballot %s, which no quorum of acceptors has promised: %v",
			agent, m.Slot, m.Ballot.Long(), w.promises[m.Ballot])
	}
	return w.use(agent, m.Ballot, true)
}

// use: a ballot belongs to one campaign of one life of one proposer, which asks for
// promises and then proposes, and never again the other way round.
func (w *claims) use(agent paxos.Address, ballot paxos.Ballot, proposes bool) error {
	now := ballotUse{agent.Replica, w.lives[agent.Replica], proposes}
	first, again := w.uses[ballot]
	switch {
	case again && (first.replica != now.replica || first.life != now.life):
		return fmt.Errorf("%s uses ballot %s in its life %d, which %s used in its life %d",
			agent, ballot.Long(), now.life, first.replica, first.life)
	case first.proposed && !proposes:
		return fmt.Errorf("%s campaigns with ballot %s, in which it has proposed before", agent, ballot.Long())
	}
	w.uses[ballot] = now
	return nil
}

// mark: all slots of the mark have a majority of votes in the leader's own ballot.
func (w *claims) mark(agent paxos.Address, m *paxos.Heartbeat) error {
	for s := max(m.First, w.marks[m.Ballot]+1); s <= m.Chosen; s++ {
		p := w.ledger.at(s).find(m.Ballot)
		if p == nil || p.quorum == 0 {
			return fmt.Errorf("%s says that slot %d is chosen in ballot %s, but no quorum has voted so",
				agent, s, m.Ballot.Long())
		}
	}
	w.marks[m.Ballot] = max(w.marks[m.Ballot], m.Chosen)
	return nil
}

// prefix: everything up to the slot is chosen.
func (w *claims) prefix(agent paxos.Address, chosen paxos.Slot) error {
	for ; w.through < chosen; w.through++ {
		if _, _, ok := w.ledger.Chosen(w.through + 1); !ok {
			return fmt.Errorf("%s says that all is chosen up to slot %d, but slot %d is not", agent, chosen, w.through+1)
		}
	}
	return nil
}

// runs: every slot of a run was chosen in the run's ballot or below it. Only then do
// all entries of higher ballots hold the chosen value.
func (w *claims) runs(agent paxos.Address, runs []paxos.ChosenRun) error {
	for _, run := range runs {
		for s := run.First; s <= run.Last; s++ {
			_, ballot, ok := w.ledger.Chosen(s)
			if !ok || run.Ballot.Less(ballot) {
				return fmt.Errorf("%s says that slot %d was chosen by ballot %s; chosen is it %v, by ballot %s",
					agent, s, run.Ballot.Long(), ok, ballot.Long())
			}
		}
	}
	return nil
}

func (*claims) Finish() error { return nil }
